/**
 * `node start-servers.ts <data folder>`: starts private servers and reports on standard output when
 * they answer.
 */
import { startServers } from '../../src/services/servers.ts';

const [dataDir = ''] = process.argv.slice(2);
const { PATH } = process.env;
const servers = await startServers({ dataDir, env: { PATH }, log: () => {} });
console.log(JSON.stringify(servers.env));
