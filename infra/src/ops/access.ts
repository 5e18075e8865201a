import { userInfo } from 'node:os';
import { isOperatorName, OPERATOR_NAME_RULE } from '@flash-sale/shared/operator/operator.ts';
import { withFiles } from '@flash-sale/shared/platform/config/files.ts';
import { UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { reachableHost } from '../stack/reachable-host.ts';
import type { Access } from './api.ts';

/**
 * How an operator's command reaches the service: from its options and the environment.
 *
 * @throws UsageError if there is no operator token, or an option does not fit
 */
export function accessOf(
  environment: NodeJS.ProcessEnv,
  values: { readonly url?: string | undefined; readonly as?: string | undefined },
): Access {
  const { env, problems } = withFiles(environment, ['ADMIN_TOKEN', 'VIEWER_TOKEN']);
  if (problems.length > 0) throw new UsageError(problems.join('; '));
  const token = env['ADMIN_TOKEN'] || env['VIEWER_TOKEN'];
  if (token === undefined || token === '')
    throw new UsageError('Set ADMIN_TOKEN or VIEWER_TOKEN: no service runs here');
  const url = values.url ?? `http://${reachableHost(env['SERVER_HOST'] || '0.0.0.0')}:${env['SERVER_PORT'] || '8080'}`;
  // `localhost:8080` is also a valid URL, with the scheme `localhost`.
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    throw new UsageError(`--url takes an address with a scheme, such as http://localhost:8080, not '${url}'`);
  }
  const name = values.as ?? userInfo().username;
  if (!isOperatorName(name)) throw new UsageError(`--as: ${OPERATOR_NAME_RULE}`);
  return { url, name, token };
}
