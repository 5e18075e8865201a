import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { html } from '../ui/html.ts';
import { useTranslation } from './messages.ts';
import { isName, type Sessions } from './session.ts';

/** Asks who the shopper is; or says where to sign in, if that is elsewhere. */
export function SignIn({ sessions, reason }: { readonly sessions: Sessions; readonly reason?: string }): VNode {
  const t = useTranslation();
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  if (!sessions.hasNames) return html`<p class="notice">${t('signInAtShop')}</p>`;

  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const input = form.elements.namedItem('name') as HTMLInputElement;
    const name = input.value.trim();
    if (!isName(name)) {
      setProblem(t('nameWrong'));
      input.focus();
      return;
    }
    setBusy(true);
    setProblem('');
    try {
      await sessions.signIn(name);
    } catch {
      setProblem(t('signInFailed'));
      setBusy(false);
    }
  };

  return html`<form class="sign-in" novalidate onSubmit=${(event: SubmitEvent) => void submit(event)}>
    ${reason !== undefined && html`<p>${reason}</p>`}
    <label for="name">${t('yourName')}</label>
    <div class="field">
      <input
        id="name"
        name="name"
        type="text"
        autocomplete="username"
        autocapitalize="none"
        spellcheck=${false}
        maxlength="64"
        required
        aria-describedby="name-hint name-problem"
        aria-invalid=${String(problem !== '')}
      />
      <button class="button" type="submit" disabled=${isBusy}>${t('goOn')}</button>
    </div>
    <p id="name-hint" class="hint">${t('nameHint')}</p>
    <p id="name-problem" class="problem" role="alert">${problem}</p>
  </form>`;
}
