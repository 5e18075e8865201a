import type { Page } from '../client/operator-types.ts';
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { html } from '../ui/html.ts';
import { reasonOf, useConsole } from './context.ts';
import type { Query } from './session.ts';

interface ListProps<Item> {
  /** The path of the list, and its filter. */
  readonly path: string;
  readonly query?: Query;
  /** The list is read again if this changes. */
  readonly version?: number;
  readonly show: (items: readonly Item[]) => ComponentChildren;
}

/** A list of the operators' API, page by page. */
export function List<Item>({ path, query = {}, version = 0, show }: ListProps<Item>) {
  const { call, t } = useConsole();
  const [items, setItems] = useState<readonly Item[]>();
  const [cursor, setCursor] = useState<string | null>(null);
  const [failure, setFailure] = useState<string>();
  const wanted = `${path} ${JSON.stringify(query)} ${version}`;

  const read = async (known: readonly Item[], from: string | undefined, isLate: () => boolean): Promise<void> => {
    try {
      const page = await call<Page<Item>>('GET', path, { query: { ...query, limit: 50, cursor: from } });
      if (isLate()) return;
      setItems([...known, ...page.items]);
      setCursor(page.next_cursor);
      setFailure(undefined);
    } catch (error) {
      if (!isLate()) setFailure(reasonOf(error, t));
    }
  };
  useEffect(() => {
    let isLate = false;
    void read([], undefined, () => isLate);
    return () => {
      isLate = true;
    };
  }, [wanted]);

  return html`
    ${failure !== undefined && html`<p role="alert" class="failure">${failure}</p>`}
    ${items === undefined ? failure === undefined && html`<p>${t('loading')}</p>` : show(items)}
    ${
      cursor !== null &&
      html`<button type="button" onClick=${() => void read(items ?? [], cursor, () => false)}>${t('more')}</button>`
    }
  `;
}
