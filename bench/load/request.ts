/** A call that is ready to be sent. */
export interface PlannedRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** JSON. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const JSON_TYPE = { 'content-type': 'application/json' };

/** A POST with a JSON body. */
export function post(path: string, body: object, headers: Readonly<Record<string, string>> = {}): PlannedRequest {
  return { method: 'POST', path, body: JSON.stringify(body), headers: { ...JSON_TYPE, ...headers } };
}

export function get(path: string, headers: Readonly<Record<string, string>> = {}): PlannedRequest {
  return { method: 'GET', path, headers };
}
