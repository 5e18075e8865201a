import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { WebhookSigner } from '@flash-sale/shared/order-events/webhook-signature.ts';

/** A receiver that takes longer is asked again later. */
const ANSWER_TIMEOUT_MS = 5_000;

/** How much of an answer is read, so that its connection can be used again; one that says more is hung up on. */
const ANSWER_BYTES_MAX = 65_536;

/** How long a receiver is left alone at most, whatever it asks for. */
const RETRY_AFTER_MS_MAX = 600_000;

/** A receiver that has not taken a message. The sentence is for operators. */
export class ReceiverFault extends Error {
  /** How long it wants to be left alone, as far as it says so. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs: number | undefined) {
    super(message);
    this.name = 'ReceiverFault';
    this.retryAfterMs = retryAfterMs;
  }
}

/** The receiver of order events. */
export interface Receiver {
  /** Delivers a message: resolves when the receiver has taken it, rejects with a sentence for operators where that is not known. */
  deliver(message_id: string, body: string): Promise<void>;
}

/**
 * The receiver at a URL, which operators alone can set: nothing that a shopper sends leads anywhere. Redirects are not followed, since whoever answers
 * there was not named.
 */
export function httpReceiver(
  url: string,
  { EVENTS_SECRET = '' }: Pick<Config, 'EVENTS_SECRET'>,
  answerTimeoutMs = ANSWER_TIMEOUT_MS,
): Receiver {
  const signer = new WebhookSigner(EVENTS_SECRET.split(','));
  return {
    async deliver(message_id, body) {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'flash-sale',
          ...signer.headers(message_id, body, Date.now()),
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
  // Leaving the loop early cancels the rest.
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

/** RFC 9110 has seconds, or a date. */
function retryAfterMsOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return ms > 0 ? Math.min(ms, RETRY_AFTER_MS_MAX) : undefined;
}
