/** `node start-servers.ts <data folder>`: private servers, told on standard output once they answer. */
import { startServers } from '../../src/services/servers.ts';

const [dataDir = ''] = process.argv.slice(2);
const { PATH } = process.env;
const servers = await startServers({ dataDir, env: { PATH }, log: () => {} });
console.log(JSON.stringify(servers.env));
