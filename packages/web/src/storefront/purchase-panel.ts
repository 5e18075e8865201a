import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Product, ServerClock } from '../client/client.ts';
import { Refused } from '../client/client.ts';
import { html } from '../ui/html.ts';
import { useStore } from '../ui/store.ts';
import { useTick } from '../ui/time.ts';
import { useTranslation, type MessageKey, type T } from './messages.ts';
import { OrderPanel } from './order-panel.ts';
import type { Purchase } from './purchase.ts';
import { RoomPanel } from './room-panel.ts';
import { QuantityField } from './quantity-field.ts';
import type { PurchaseState, Trouble } from './purchase-state.ts';

/** What the shopper reads, and the one button. */
interface Shown {
  readonly text?: string;
  readonly hint?: string;
  readonly button?: { readonly text: string; readonly onClick: () => void; readonly isQuiet?: boolean };
  readonly isWaiting?: boolean;
  /** The shopper may choose how many units to buy. */
  readonly asksQuantity?: boolean;
}

interface Props {
  readonly purchase: Purchase;
  readonly sale: Product;
  /** The status by the service's clock now. */
  readonly status: Product['status'];
  readonly clock: ServerClock;
  readonly currency: string;
  readonly userId: string;
}

/** Everything between the wish to buy and the end of the order. */
export function PurchasePanel({ purchase, sale, status, clock, currency, userId }: Props): VNode {
  const t = useTranslation();
  const state = useStore(purchase.state);
  const [quantity, setQuantity] = useState(1);
  if (state.at === 'order') {
    const canBuyAgain = status === 'open' || status === 'sold_out';
    return html`<div class="panel">
      <${OrderPanel} ...${{ state, purchase, sale, canBuyAgain, clock, currency }} />
      ${state.trouble && html`<${TroubleLine} trouble=${state.trouble} clock=${clock} t=${t} />`}
    </div>`;
  }
  if (state.at === 'room') {
    const { place, trouble } = state;
    return html`<div class="panel">
      <${RoomPanel}
        ...${{ place, sale, userId, clock, commitment: purchase.commitment }}
        onStop=${() => purchase.stop()}
      />
      ${trouble && html`<${TroubleLine} trouble=${trouble} clock=${clock} t=${t} />`}
    </div>`;
  }
  const hasRoom = sale.waiting_room !== undefined;
  const { text, hint, button, isWaiting, asksQuantity } = shownOf({ state, status, purchase, quantity, hasRoom, t });
  return html`<div class="panel">
    <p class=${`say ${isWaiting === true ? 'waiting' : ''}`} role="status">${text}</p>
    ${state.at === 'asking' && state.trouble && html`<${TroubleLine} trouble=${state.trouble} clock=${clock} t=${t} />`}
    ${hint !== undefined && html`<p class="hint">${hint}</p>`}
    ${
      asksQuantity === true &&
      sale.units_per_shopper > 1 &&
      html`<${QuantityField} sale=${sale} quantity=${quantity} currency=${currency} onChange=${setQuantity} />`
    }
    ${
      button !== undefined &&
      html`<button
        type="button"
        class=${`button ${button.isQuiet === true ? 'quiet' : 'main'}`}
        onClick=${button.onClick}
      >
        ${button.text}
      </button>`
    }
  </div>`;
}

type EarlyState = Exclude<PurchaseState, { at: 'order' | 'room' }>;

interface Asked {
  readonly status: Product['status'];
  readonly purchase: Purchase;
  readonly quantity: number;
  readonly hasRoom: boolean;
  readonly t: T;
}

function shownOf({ state, ...asked }: Asked & { readonly state: EarlyState }): Shown {
  const { status, purchase, t } = asked;
  const stop = (text: MessageKey) => ({ text: t(text), onClick: () => purchase.stop(), isQuiet: true });
  const soldOut = {
    text: t('soldOut'),
    button: { text: t('keepTrying'), onClick: () => purchase.want('returned_unit', 1) },
  };
  switch (state.at) {
    case 'armed':
      return { text: t('armed'), button: stop('disarm'), isWaiting: true };
    case 'asking':
      return {
        text: state.isSolving === true ? t('checking') : t('asking'),
        hint: t('askingHint'),
        isWaiting: true,
        ...(state.trouble === undefined ? {} : { button: stop('stop') }),
      };
    case 'sold_out':
      if (!state.keepsTrying)
        return status === 'ended' ? { text: t('ended') } : (fewerLeft(state.left ?? 0, asked) ?? soldOut);
      return { text: t('keepsTrying'), button: stop('stop'), isWaiting: true };
    case 'paused':
      return { text: t('pausedWaiting'), button: stop('stop'), isWaiting: true };
    case 'ended':
      return { text: t('ended') };
    case 'refused': {
      const again = { text: t('buyNow'), onClick: () => purchase.want('unit') };
      const isDenied = state.error instanceof Refused && state.error.code === 'forbidden';
      if (isDenied) return { text: t('denied') };
      return { text: t('wentWrong', { reason: state.error.message }), button: again };
    }
    case 'idle':
      return { ...idle(asked, soldOut), ...(state.isOrderLost === true ? { hint: t('orderLost') } : {}) };
  }
}

/** Fewer units are left than the shopper wants: offers those. */
function fewerLeft(left: number, { purchase, t }: Asked): Shown | undefined {
  if (left === 0) return undefined;
  return {
    text: t('fewerLeft', { n: left }),
    button: { text: t('buyLeft', { n: left }), onClick: () => purchase.want('unit', left) },
  };
}

function idle({ status, purchase, quantity, hasRoom, t }: Asked, soldOut: Shown): Shown {
  const buy = (text: MessageKey) => ({ text: t(text), onClick: () => purchase.want('unit', quantity) });
  if (hasRoom && (status === 'scheduled' || status === 'open' || status === 'sold_out')) {
    const isSoldOut = status === 'sold_out';
    const text = t(isSoldOut ? 'roomInvitesSoldOut' : 'roomInvites');
    return { text, button: buy('joinRoom'), asksQuantity: !isSoldOut };
  }
  switch (status) {
    case 'scheduled':
      return { text: t('notStarted'), button: buy('buyAtStart'), asksQuantity: true };
    case 'open':
      return { button: buy('buyNow'), asksQuantity: true };
    case 'sold_out':
      return soldOut;
    case 'paused':
      return { text: t('paused') };
    case 'not_ready':
      return { text: t('notReady') };
    case 'ended':
      return { text: t('ended') };
  }
}

const TROUBLE_TEXTS: Readonly<Record<Trouble['kind'], MessageKey>> = {
  too_fast: 'tooFast',
  busy: 'busy',
  not_ready: 'notReady',
  unreachable: 'unreachable',
};

/** Why it takes longer, and when the next try comes. Only the reason is read out. */
function TroubleLine({
  trouble,
  clock,
  t,
}: {
  readonly trouble: Trouble;
  readonly clock: ServerClock;
  readonly t: T;
}): VNode {
  useTick(500);
  const seconds = Math.ceil((trouble.untilMs - clock.now()) / 1_000);
  return html`<p class="trouble">
    <span role="status">${t(TROUBLE_TEXTS[trouble.kind])}</span>
    <span> ${seconds > 0 ? t('nextTry', { n: seconds }) : t('nextTryNow')}</span>
  </p>`;
}
