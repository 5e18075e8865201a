import { browserMemory } from '../ui/memory.ts';

/** Who is signed in. The operator token is kept in this tab only, until it is closed. */
export interface Session {
  readonly token: string;
  /** The name that is recorded with every change. */
  readonly name: string;
  readonly role: 'admin' | 'viewer';
}

const KEY = 'operator';
const memory = browserMemory(() => sessionStorage);
const SILENCE_MS_MAX = 60_000;

/** A call that was refused, or that did not reach the service. */
export class CallFailed extends Error {
  /** The code of the error table; `unreachable` without an answer. */
  readonly code: string;
  readonly status: number;

  constructor(message: string, code: string, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export type Query = Readonly<Record<string, string | number | undefined>>;

export interface CallOptions {
  readonly query?: Query;
  readonly body?: object;
}

/**
 * Calls the operators' API. The type of the answer must be named: it is not inferred from the use
 * of the result, which would allow any use.
 */
export type Call = <Answer = unknown>(
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  options?: CallOptions,
) => Promise<NoInfer<Answer>>;

/** The path of an operators' call, relative to the base of the page. */
export function adminPath(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `api/v1/admin/${path}${text === '' ? '' : `?${text}`}`;
}

export function headersOf({ token, name }: Pick<Session, 'token' | 'name'>): Record<string, string> {
  return { authorization: `Bearer ${token}`, ...(name === '' ? {} : { 'operator-name': encodeURIComponent(name) }) };
}

/** The calls of an operator. */
export function callAs(session: Pick<Session, 'token' | 'name'>): Call {
  return async <Answer>(method: string, path: string, { query, body }: CallOptions = {}): Promise<Answer> => {
    const answer = await request(adminPath(path, query), {
      method,
      headers: { ...headersOf(session), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      signal: AbortSignal.timeout(SILENCE_MS_MAX),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return (text === '' ? undefined : JSON.parse(text)) as Answer;
  };
}

/** A request that is answered with success. @throws CallFailed */
export async function request(url: string, options: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    // Without credentials of the browser, which would else ask for a password if the token is
    // wrong.
    answer = await fetch(url, { ...options, cache: 'no-store', credentials: 'omit' });
  } catch (error) {
    throw new CallFailed((error as Error).message, 'unreachable');
  }
  if (answer.ok) return answer;
  const problem = await problemIn(answer);
  const { title = `HTTP ${answer.status}`, detail, code = 'unreachable' } = problem;
  throw new CallFailed(detail === undefined ? title : `${title}: ${detail}`, code, answer.status);
}

/** The problem document of an answer; empty if another server has answered. */
async function problemIn(answer: Response): Promise<{ title?: string; detail?: string; code?: string }> {
  try {
    return (await answer.json()) as object;
  } catch {
    return {};
  }
}

/** Signs in: asks the service which role the token has. @throws CallFailed */
export async function signIn(token: string, name: string): Promise<Session> {
  const { role } = await callAs({ token, name })<{ role: Session['role'] }>('GET', 'operator');
  const session = { token, name, role };
  memory.write(KEY, session);
  return session;
}

export function signOut(): void {
  memory.remove(KEY);
}

/** The session of this tab, after it was loaded again. */
export function keptSession(): Session | undefined {
  return memory.read(KEY) as Session | undefined;
}
