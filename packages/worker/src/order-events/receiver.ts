import type { Config } from '@flash-sale/shared/config/config.ts';
import { WebhookSigner } from '@flash-sale/shared/domain/webhook-signature.ts';

/** How much of an answer is read, so that its connection can be used again; one that says more is hung up on. */
const ANSWER_BYTES_MAX = 65_536;

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
  { EVENTS_SECRET = '', EVENTS_TIMEOUT_MS }: Pick<Config, 'EVENTS_SECRET' | 'EVENTS_TIMEOUT_MS'>,
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
        signal: AbortSignal.timeout(EVENTS_TIMEOUT_MS),
      });
      await readToEnd(response).catch(() => undefined);
      if (!response.ok) throw new Error(`The receiver answers ${response.status}`);
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
