import { OPERATOR_NAME_HEADER } from '@flash-sale/shared/operator/operator.ts';

/** How an operator reaches the service. */
export interface Access {
  readonly url: string;
  /** The name in the record of operators' changes. */
  readonly name: string;
  /** The operator token. */
  readonly token: string;
}

/** A call of the operators' API. Returns the body of the answer. */
export type Call = <Body>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object) => Promise<Body>;

const SILENCE_MS_MAX = 120_000;

/** The call was refused or did not reach the service: one message, to print. */
export class CallFailed extends Error {}

/** Calls the operators' API with the operator's name and operator token. */
export function callAs({ url, name, token }: Access): Call {
  // The user of basic auth cannot contain a colon; the header can.
  const credential = Buffer.from(`:${token}`).toString('base64');
  const access = {
    authorization: `Basic ${credential}`,
    [OPERATOR_NAME_HEADER]: encodeURIComponent(name),
    accept: 'application/json',
  };
  // A proxy may add a path, which `new URL` keeps only if it ends with a slash.
  const calls = new URL('api/v1/admin/', url.replace(/\/*$/, '/'));
  return async <Body>(method: string, path: string, body?: object): Promise<Body> => {
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(new URL(path, calls), {
        method,
        headers: body === undefined ? access : { ...access, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(SILENCE_MS_MAX),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await answer.text();
    } catch (error) {
      const { cause, message } = error as Error & { cause?: { code?: string } };
      throw new CallFailed(`${url} does not answer (${cause?.code ?? message}); use --url for another address`);
    }
    if (!answer.ok) throw new CallFailed(refusalText(answer, text));
    return bodyOf(url, text) as Body;
  };
}

/** The body of an answer. Anything but JSON is from another server, such as a login page. */
function bodyOf(url: string, text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    throw new CallFailed(`${url} answers, but not as the API of this service does; use --url for another address`);
  }
}

/** The text of a problem document, in one line. */
function refusalText(answer: Response, text: string): string {
  const { title, code, detail } = problemOf(text);
  const retryAfterS = answer.headers.get('retry-after');
  return [
    `${title ?? `HTTP ${answer.status}`}${code === undefined ? '' : ` (${code})`}`,
    ...(detail === undefined ? [] : [detail]),
    ...(retryAfterS === null ? [] : [`retry after ${retryAfterS} s`]),
  ].join('; ');
}

function problemOf(text: string): { title?: string; code?: string; detail?: string } {
  try {
    return JSON.parse(text) as object;
  } catch {
    return {};
  }
}
