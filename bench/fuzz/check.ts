import type { Answer } from './call.ts';
import type { Operation } from './document.ts';

/**
 * What is wrong with an answer: it violates the document or reveals internals. Empty if nothing is
 * wrong.
 */
export function problemsOfAnswer(operation: Operation, answer: Answer, expected: Expectation): string[] {
  const { status } = answer;
  const problems: string[] = [];
  if (status >= 500) problems.push(`answered ${status} ${codeOf(answer) ?? ''}`);
  if (expected === 'refusal' && status < 400) problems.push(`answered ${status} to what its own document forbids`);
  if (expected === 'wrong method' && status !== 405)
    problems.push(`answered ${status} to a method that it does not have`);
  if (expected !== 'wrong method') problems.push(...againstDocument(operation, answer));
  else if (!isProblem(answer)) problems.push('refused in another shape than a problem');
  if (answer.headers['x-request-id'] === undefined) problems.push('has no x-request-id');
  for (const name of ['server', 'x-powered-by', 'via']) {
    if (answer.headers[name] !== undefined) problems.push(`names what it runs on: ${name}`);
  }
  if (answer.headers['x-content-type-options'] !== 'nosniff') problems.push('has no safe headers');
  if ((status === 429 || status === 503) && !/^[1-9]\d*$/.test(String(answer.headers['retry-after']))) {
    problems.push('does not say when to come back');
  }
  const inside = INSIDE_STORY.exec(answer.text)?.[0];
  if (inside !== undefined) problems.push(`tells of its inside: ${JSON.stringify(inside)}`);
  return problems;
}

/**
 * `refusal`: the document forbids the request. `success`: the request has everything that it needs.
 * `wrong method`: the path has no such method. `any`: not known.
 */
export type Expectation = 'success' | 'refusal' | 'wrong method' | 'any';

/** Text of a stack trace or of a driver. */
const INSIDE_STORY =
  /\n\s+at |node_modules|\.ts:\d|ECONN|\bER_[A-Z]+|\b(?:SELECT|INSERT INTO|UPDATE) |ReplyError|MariaDB|WRONGTYPE|Cannot read prop/;

function againstDocument({ answers }: Operation, { status, headers, text }: Answer): string[] {
  if (!answers.has(status)) return [`answered ${status}, which is not declared`];
  const byType = answers.get(status);
  if (byType === undefined) return text === '' ? [] : ['answered a body where none is declared'];
  const type = String(headers['content-type'] ?? '').split(';', 1)[0]!;
  const shape = byType.get(type);
  if (shape === undefined) return [`answered ${status} as ${type || 'nothing'}, which is not declared`];
  const body = type.endsWith('json') ? parse(text) : text;
  if (body === undefined) return ['answered what is not JSON'];
  return shape.problems(body).map((problem) => `answered ${status} with ${problem}`);
}

const isProblem = (answer: Answer): boolean =>
  answer.headers['content-type'] === 'application/problem+json' && codeOf(answer) !== undefined;

function codeOf({ text }: Answer): string | undefined {
  const code = (parse(text) as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
