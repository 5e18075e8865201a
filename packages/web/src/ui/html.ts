import htm from 'htm';
import { h, type VNode } from 'preact';

/** The types of htm describe its CommonJS file; browsers load the module, whose default is this. */
const { bind } = htm as unknown as {
  readonly bind: (create: typeof h) => (strings: TemplateStringsArray, ...values: unknown[]) => VNode;
};

/**
 * Builds elements from a template: `html`<p class="note">${text}</p>``. A field without `onInput`
 * gets its first text by `defaultValue`: Preact sets `value` again each time it draws, and takes
 * away what was typed.
 */
export const html = bind.call(htm, h);
