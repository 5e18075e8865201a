import { useState } from 'preact/hooks';
import { html } from '../ui/html.ts';
import { reasonOf } from './context.ts';
import { useTranslation } from './messages.ts';
import { CallFailed, signIn, type Session } from './session.ts';
import { textIn } from './form.ts';

/** Asks for the operator token. */
export function SignIn({ onSignedIn }: { readonly onSignedIn: (session: Session) => void }) {
  const t = useTranslation();
  const [failure, setFailure] = useState<string>();
  const [isWorking, setWorking] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setWorking(true);
    setFailure(undefined);
    try {
      onSignedIn(await signIn(textIn(form, 'token'), textIn(form, 'name').trim()));
    } catch (error) {
      const isWrong = error instanceof CallFailed && error.code === 'unauthenticated';
      setFailure(isWrong ? t('sign-in.wrong') : reasonOf(error, t));
      setWorking(false);
    }
  };
  return html`
    <form class="sign-in" onSubmit=${(event: Event) => void submit(event)}>
      <h1>${t('title')}</h1>
      <label>
        ${t('sign-in.token')}
        <input name="token" type="password" required autocomplete="off" aria-describedby="token-help" />
      </label>
      <p class="help" id="token-help">${t('sign-in.kept')}</p>
      <label>
        ${t('sign-in.name')} <input name="name" maxlength="64" autocomplete="name" aria-describedby="name-help" />
      </label>
      <p class="help" id="name-help">${t('sign-in.name-help')}</p>
      <p role="alert" class="failure">${failure}</p>
      <button type="submit" class="primary" disabled=${isWorking}>${isWorking ? t('working') : t('sign-in')}</button>
    </form>
  `;
}
