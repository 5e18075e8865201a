import { createClient, type ShopperClient } from '../client/client.ts';
import { browserMemory } from '../ui/memory.ts';
import { createStore, type Store } from '../ui/store.ts';

/** The settings that the api writes into the document of the storefront. */
export interface StorefrontSettings {
  readonly authMode: 'trusted' | 'jwt';
  /** Whether anybody may log in with any name. */
  readonly hasDevLogin: boolean;
  /** The claim of access tokens that names the shopper. */
  readonly subjectClaim: string;
  readonly currency: string;
}

/** A known shopper, and the calls in that shopper's name. */
export interface Session {
  readonly userId: string;
  readonly client: ShopperClient;
}

export interface Sessions {
  /** Undefined while the shopper is not known. */
  readonly current: Store<Session | undefined>;
  /** For calls that need no shopper. */
  readonly anyone: ShopperClient;
  /** Whether shoppers sign in here, with a name. Otherwise the shop hands over an access token. */
  readonly hasNames: boolean;
  signIn(name: string): Promise<void>;
  signOut(): void;
}

const NAME = /^[!-~]{1,64}$/;
const NAME_KEY = 'name';
const TOKEN_KEY = 'access-token';
/**
 * How a shop hands over its shopper: `…/sales/1#access_token=…`. Browsers send no fragment to
 * servers.
 */
const FRAGMENT = /^#access_token=([\w.~-]+)$/;

export const isName = (text: string): boolean => NAME.test(text);

/**
 * Who the shopper is. With `AUTH_MODE=trusted`, a name; with `jwt`, an access token of the
 * development login, or one that the shop hands over in the fragment of the page's address.
 */
export function createSessions(settings: StorefrontSettings): Sessions {
  const names = browserMemory(() => localStorage);
  // An access token ends with its tab.
  const tokens = browserMemory(() => sessionStorage);
  const isTrusted = settings.authMode === 'trusted';
  const anyone = createClient({ url: document.baseURI });
  const { clock } = anyone;
  const current = createStore<Session | undefined>(undefined);

  const withName = (userId: string): Session => ({
    userId,
    client: createClient({ url: document.baseURI, userId, clock }),
  });

  function withToken(token: string): Session | undefined {
    const userId = subjectOf(token, settings.subjectClaim);
    if (userId === undefined) return undefined;
    const client = createClient({ url: document.baseURI, accessToken: () => token, clock, fetch: watched });
    return { userId, client };
  }

  /** An access token that the service refuses has expired: the shopper must sign in again. */
  async function watched(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const response = await fetch(input, init);
    if (response.status === 401) {
      tokens.remove(TOKEN_KEY);
      current.set(undefined);
      await signInAgain();
    }
    return response;
  }

  /** The development login asks for no password, so it can be repeated without the shopper. */
  async function signInAgain(): Promise<void> {
    const name = names.read(NAME_KEY);
    if (settings.hasDevLogin && typeof name === 'string' && isName(name)) await signIn(name).catch(() => undefined);
  }

  async function signIn(name: string): Promise<void> {
    if (isTrusted) {
      current.set(withName(name));
    } else {
      const { access_token: token } = await anyone.openSession(name);
      tokens.write(TOKEN_KEY, token);
      current.set(withToken(token));
    }
    names.write(NAME_KEY, name);
  }

  function first(): Session | undefined {
    if (isTrusted) {
      const name = names.read(NAME_KEY);
      return typeof name === 'string' && isName(name) ? withName(name) : undefined;
    }
    const handedOver = FRAGMENT.exec(location.hash)?.[1];
    if (handedOver !== undefined) {
      tokens.write(TOKEN_KEY, handedOver);
      // The token must not stay in the history of the browser.
      history.replaceState(history.state, '', location.pathname + location.search);
    }
    const token = tokens.read(TOKEN_KEY);
    return typeof token === 'string' ? withToken(token) : undefined;
  }

  current.set(first());
  if (current.get() === undefined) void signInAgain();
  return {
    current,
    anyone,
    hasNames: isTrusted || settings.hasDevLogin,
    signIn,
    signOut() {
      names.remove(NAME_KEY);
      tokens.remove(TOKEN_KEY);
      current.set(undefined);
    },
  };
}

/** The shopper that an access token names. The service checks the token; this only reads it. */
function subjectOf(token: string, claim: string): string | undefined {
  try {
    const payload = token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/');
    const claims = JSON.parse(atob(payload)) as Readonly<Record<string, unknown>>;
    const subject = claims[claim];
    return typeof subject === 'string' ? subject : undefined;
  } catch {
    return undefined;
  }
}
