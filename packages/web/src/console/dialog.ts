import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from '../ui/html.ts';
import { reasonOf, useConsole } from './context.ts';

/** An action that waits for its confirmation. */
export interface Action {
  /** What the button says. */
  readonly title: string;
  /** A sentence that says what will happen. */
  readonly effect: string | ((form: FormData) => string);
  /** Fields of the action, if it has any. */
  readonly fields?: ComponentChildren;
  /** Whether it cannot be undone. */
  readonly isFinal?: boolean;
  /** Does it. Returns what to tell the operator, if there is more to tell. */
  readonly run: (form: FormData) => Promise<string | void>;
  /** Whether there is something to do. Always, unless it is given. */
  readonly isReady?: (form: FormData) => boolean;
}

interface ConfirmationProps {
  readonly action: Action;
  readonly onClose: (isDone: boolean) => void;
}

/**
 * Asks before an action: names its effect, and shows why it was refused. The browser keeps the
 * focus inside, and Escape cancels.
 */
export function Confirmation({ action, onClose }: ConfirmationProps) {
  const { t, notify } = useConsole();
  const dialog = useRef<HTMLDialogElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const [failure, setFailure] = useState<string>();
  const [isWorking, setWorking] = useState(false);
  const [effect, setEffect] = useState('');
  const [isReady, setReady] = useState(true);

  const look = (): void => {
    const data = new FormData(form.current!);
    setEffect(typeof action.effect === 'string' ? action.effect : action.effect(data));
    setReady(action.isReady?.(data) ?? true);
  };
  useEffect(() => {
    dialog.current!.showModal();
    look();
  }, []);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isWorking) return;
    setWorking(true);
    setFailure(undefined);
    try {
      const told = await action.run(new FormData(form.current!));
      notify(told ?? t('done', { what: action.title }));
      onClose(true);
    } catch (error) {
      setFailure(t('failed', { why: reasonOf(error, t) }));
      setWorking(false);
    }
  };

  return html`
    <dialog ref=${dialog} class="confirmation" aria-labelledby="confirmation-title" onClose=${() => onClose(false)}>
      <form ref=${form} onSubmit=${submit} onInput=${look}>
        <h2 id="confirmation-title">${action.title}</h2>
        ${action.fields}
        <p class=${action.isFinal ? 'effect final' : 'effect'}>${effect}</p>
        <p role="alert" class="failure">${failure}</p>
        <div class="buttons">
          <button type="submit" class=${action.isFinal ? 'danger' : 'primary'} disabled=${isWorking || !isReady}>
            ${isWorking ? t('working') : action.title}
          </button>
          <button type="button" onClick=${() => dialog.current!.close()}>${t('cancel')}</button>
        </div>
      </form>
    </dialog>
  `;
}

interface ActionButtonProps {
  readonly action: () => Action;
  readonly label: string;
  readonly onDone?: () => void;
}

/** A button that asks for confirmation. A viewer does not see it. */
export function ActionButton({ action, label, onDone }: ActionButtonProps) {
  const { session } = useConsole();
  const [asked, setAsked] = useState<Action>();
  if (session.role !== 'admin') return null;
  const close = (isDone: boolean): void => {
    setAsked(undefined);
    if (isDone) onDone?.();
  };
  return html`
    <button type="button" onClick=${() => setAsked(action())}>${label}</button>
    ${asked && html`<${Confirmation} action=${asked} onClose=${close} />`}
  `;
}
