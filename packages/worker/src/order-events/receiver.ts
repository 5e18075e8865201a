import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { WebhookSigner } from './webhook-signature.ts';

/** If a receiver takes longer, the message is sent again later. */
const ANSWER_TIMEOUT_MS = 5_000;

/**
 * How many bytes of an answer are read so that its connection can be used again. If there are more,
 * the connection is closed.
 */
const ANSWER_BYTES_MAX = 65_536;

/** The longest pause that a receiver can ask for. */
const RETRY_AFTER_MS_MAX = 600_000;

/** The receiver has answered, and not accepted the message. Operators read this. */
export class ReceiverFault extends Error {
  /** How long the receiver asks us to wait, if it says so. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs: number | undefined) {
    super(message);
    this.name = 'ReceiverFault';
    this.retryAfterMs = retryAfterMs;
  }
}

/** The receiver of order events. */
export interface Receiver {
  /**
   * Delivers a message. Resolves when the receiver has accepted it.
   *
   * @throws ReceiverFault if its answer says otherwise; another error if it did not answer
   */
  deliver(messageId: string, body: string): Promise<void>;
}

/**
 * The receiver at a URL. Only operators can set it, so no shopper's data leads to another address.
 * Redirects are not followed, since the operator has not named their target.
 */
export function httpReceiver(
  url: string,
  { EVENTS_SECRET = '' }: Pick<Config, 'EVENTS_SECRET'>,
  answerTimeoutMs = ANSWER_TIMEOUT_MS,
): Receiver {
  const signer = new WebhookSigner(EVENTS_SECRET.split(','));
  return {
    async deliver(messageId, body) {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'flash-sale',
          ...signer.headers(messageId, body, Date.now()),
        },
        body,
        redirect: 'manual',
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
      await readToEnd(response).catch(() => undefined);
      if (!response.ok) throw faultOf(response);
    },
  };
}

async function readToEnd(response: Response): Promise<void> {
  let bytes = 0;
  // Leaving the loop early cancels the rest of the answer.
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > ANSWER_BYTES_MAX) return;
  }
}

function faultOf({ status, headers }: Response): ReceiverFault {
  const sentence = `The receiver answers ${status}`;
  if (status >= 300 && status < 400)
    return new ReceiverFault(`${sentence}: redirects are not followed, see EVENTS_URL`, undefined);
  if (status === 401 || status === 403) return new ReceiverFault(`${sentence}: see EVENTS_SECRET`, undefined);
  if (status === 404 || status === 405 || status === 410)
    return new ReceiverFault(`${sentence}: see EVENTS_URL`, undefined);
  return new ReceiverFault(sentence, retryAfterMsOf(headers.get('retry-after')));
}

/** RFC 9110 allows seconds or a date. */
function retryAfterMsOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return ms > 0 ? Math.min(ms, RETRY_AFTER_MS_MAX) : undefined;
}
