/** Keeps values across reloads. */
export interface Memory {
  /** Undefined if nothing was kept; its form must be checked, since users can change it. */
  read(key: string): unknown;
  write(key: string, value: unknown): void;
  remove(key: string): void;
  /**
   * Calls `listener` after another tab has changed the value; returns the function that ends this.
   */
  follow(key: string, listener: () => void): () => void;
}

const PREFIX = 'flash-sale:';

/**
 * Values in the storage of the browser. It may be turned off or full: then they live as long as the
 * page.
 */
export function browserMemory(storage: () => Storage): Memory {
  const fallback = new Map<string, string>();
  const attempt = <Result>(use: (open: Storage) => Result): Result | undefined => {
    try {
      return use(storage());
    } catch {
      return undefined;
    }
  };
  return {
    read(key) {
      const text = fallback.get(key) ?? attempt((open) => open.getItem(PREFIX + key)) ?? undefined;
      try {
        return text === undefined ? undefined : (JSON.parse(text) as unknown);
      } catch {
        return undefined;
      }
    },
    write(key, value) {
      const text = JSON.stringify(value);
      const isKept = attempt((open) => {
        open.setItem(PREFIX + key, text);
        return true;
      });
      if (isKept === true) fallback.delete(key);
      else fallback.set(key, text);
    },
    remove(key) {
      fallback.delete(key);
      attempt((open) => open.removeItem(PREFIX + key));
    },
    follow(key, listener) {
      const changed = (event: StorageEvent): void => {
        // Null: everything was removed.
        if (event.key === PREFIX + key || event.key === null) listener();
      };
      addEventListener('storage', changed);
      return () => removeEventListener('storage', changed);
    },
  };
}
