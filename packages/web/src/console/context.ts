import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Live } from './live.ts';
import { CallFailed, type Call, type Session } from './session.ts';
import type { T } from './messages.ts';

/** What every view of the console uses. */
export interface Console {
  readonly session: Session;
  readonly call: Call;
  readonly live: Live;
  readonly t: T;
  /** For dates and numbers. */
  readonly locale: string;
  /** Shows what was done, until the next message or another view. */
  readonly notify: (message: string) => void;
}

export const ConsoleContext = createContext<Console | undefined>(undefined);

export function useConsole(): Console {
  return useContext(ConsoleContext)!;
}

/** Draws the view again with each event of the live figures. */
export function useLive(): Live {
  const { live } = useConsole();
  const [, draw] = useState(0);
  useEffect(() => live.subscribe(() => draw((count) => count + 1)), [live]);
  return live;
}

/** A failure in words. */
export function reasonOf(error: unknown, t: T): string {
  if (!(error instanceof CallFailed)) throw error;
  return error.code === 'unreachable' ? t('unreachable', { why: error.message }) : error.message;
}

/** What a call answered; undefined while it is under way. */
export interface Loaded<Answer> {
  readonly answer: Answer | undefined;
  readonly failure: string | undefined;
  /** Asks again. */
  readonly reload: () => void;
}

/** Calls once, and again if a dependency changes. A late answer to an earlier call is dropped. */
export function useCall<Answer>(ask: () => Promise<Answer>, dependencies: readonly unknown[]): Loaded<Answer> {
  const { t } = useConsole();
  const [round, setRound] = useState(0);
  const [state, setState] = useState<Pick<Loaded<Answer>, 'answer' | 'failure'>>({
    answer: undefined,
    failure: undefined,
  });
  useEffect(() => {
    let isLate = false;
    ask().then(
      (answer) => !isLate && setState({ answer, failure: undefined }),
      (error: unknown) => !isLate && setState({ answer: undefined, failure: reasonOf(error, t) }),
    );
    return () => {
      isLate = true;
    };
  }, [...dependencies, round]);
  return { ...state, reload: () => setRound((count) => count + 1) };
}
