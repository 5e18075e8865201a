import type { VNode } from 'preact';
import type { ServerClock } from '../client/client.ts';
import { html } from '../ui/html.ts';
import { partsOf, useTick } from '../ui/time.ts';
import type { T } from './messages.ts';

/** The time until a moment by the service's clock, in large figures. */
export function Countdown(props: {
  readonly label: string;
  readonly untilMs: number;
  readonly clock: ServerClock;
  readonly t: T;
}): VNode {
  const { label, untilMs, clock, t } = props;
  useTick(250);
  const { days, hours, minutes, seconds } = partsOf(untilMs - clock.now());
  const parts = [
    [days, t('days')],
    [hours, t('hours')],
    [minutes, t('minutes')],
    [seconds, t('seconds')],
  ] as const;
  const shown = days > 0 ? parts : parts.slice(1);
  return html`<div class="countdown" role="timer" aria-label=${label}>
    <span class="countdown-label" aria-hidden="true">${label}</span>
    <span class="countdown-parts">
      ${shown.map(
        ([value, unit]) =>
          html`<span class="countdown-part" key=${unit}>
            <span class="countdown-value">${String(value).padStart(2, '0')}</span>
            <span class="countdown-unit">${unit}</span>
          </span>`,
      )}
    </span>
  </div>`;
}
