import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Place, Product, ServerClock } from '../client/client.ts';
import { html } from '../ui/html.ts';
import { useLocale } from '../ui/i18n.ts';
import { useTick } from '../ui/time.ts';
import { timeText } from './format.ts';
import { useTranslation, type T } from './messages.ts';
import { checkPlace, type PlaceCheck } from './place-check.ts';

interface Props {
  /** Undefined before the shopper has joined. */
  readonly place: Place | undefined;
  readonly sale: Product;
  readonly userId: string;
  /** What the shop had published of the draw when the shopper joined. */
  readonly commitment: string | undefined;
  readonly clock: ServerClock;
  readonly onStop: () => void;
}

/** The waiting room: the place, the estimate, and the check of the draw. */
export function RoomPanel({ place, sale, userId, commitment, clock, onStop }: Props): VNode {
  const t = useTranslation();
  const locale = useLocale();
  useTick(1_000);
  const opensAt = sale.waiting_room?.opens_at ?? '';
  const isOpen = place !== undefined || Date.parse(opensAt) <= clock.now();
  return html`<div class="room">
    <p class="say waiting" role="status">
      ${isOpen ? placeText(place, t) : t('roomOpens', { time: timeText(opensAt, locale) })}
    </p>
    ${place?.status === 'waiting' && html`<p class="hint">${estimateText(place, t)}</p>`}
    <p class="hint">${t('roomHint')}</p>
    ${
      place !== undefined &&
      place.place !== null &&
      html`<${OwnPlace} place=${place.place} ...${{ seed: sale.waiting_room?.seed, commitment, userId, t }} />`
    }
    <button type="button" class="button quiet" onClick=${onStop}>${t('leaveRoom')}</button>
  </div>`;
}

function placeText(place: Place | undefined, t: T): string {
  if (place === undefined) return t('joining');
  if (place.status === 'sold_out') return t(place.units_may_return === true ? 'roomSoldOut' : 'roomSoldOutForGood');
  if (place.status === 'called') return t('called');
  const { ahead } = place;
  if (ahead === undefined || ahead === null) return t('beforeDraw');
  return ahead === 0 ? t('nextInLine') : t('peopleAhead', { n: ahead });
}

function estimateText({ estimated_wait_seconds: seconds, ahead }: Place, t: T): string {
  if (ahead === null) return t('beforeDrawHint');
  if (seconds === undefined || seconds === null) return t('noEstimate');
  return seconds < 90 ? t('estimateSeconds', { n: seconds }) : t('estimateMinutes', { n: Math.ceil(seconds / 60) });
}

interface OwnPlaceProps {
  readonly place: number;
  readonly seed: string | undefined;
  readonly commitment: string | undefined;
  readonly userId: string;
  readonly t: T;
}

/**
 * The place as a number, and a check of it, if this browser can: it computes hashes on HTTPS and
 * localhost only.
 */
function OwnPlace({ place, seed, commitment, userId, t }: OwnPlaceProps): VNode {
  const [check, setCheck] = useState<PlaceCheck>();
  const isDrawn = place < 1;
  return html`<details class="own-place">
    <summary>${t('yourPlace', { place: isDrawn ? place.toFixed(6) : Math.floor(place) })}</summary>
    <p class="hint">${t(isDrawn ? 'placeDrawn' : 'placeByArrival')}</p>
    ${
      isDrawn &&
      seed !== undefined &&
      commitment !== undefined &&
      globalThis.isSecureContext &&
      html`
        <dl>
          <dt>${t('commitment')}</dt>
          <dd><code>${commitment}</code></dd>
          <dt>${t('seed')}</dt>
          <dd><code>${seed}</code></dd>
        </dl>
        <button
          type="button"
          class="button quiet"
          onClick=${() => void checkPlace({ userId, place, seed, commitment }).then(setCheck)}
        >
          ${t('checkPlace')}
        </button>
        ${check !== undefined && html`<p role="status" class="hint">${t(check === 'right' ? 'placeRight' : 'placeWrong')}</p>`}
      `
    }
  </details>`;
}
