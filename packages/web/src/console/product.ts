import type { Product } from '../client/operator-types.ts';

/** A sale in a sentence. */
export const nameOf = ({ id, name }: Pick<Product, 'id' | 'name'>): string => `${id} (${name})`;
