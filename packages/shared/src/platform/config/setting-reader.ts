import type { SettingSchema } from './setting-kinds.ts';

/**
 * A variable's text in the type and the one spelling of its setting, or undefined if it does not
 * fit.
 */
export function valueOf(schema: SettingSchema, variable: string): string | number | boolean | undefined {
  // `echo` and editors end a secret with a line break that is no part of it; blanks may be a part.
  const given = schema.secret === true ? variable.replace(/[\r\n]+$/, '') : variable.trim();
  if (given === '') return undefined;
  switch (schema.type) {
    case 'integer': {
      const number = /^-?\d{1,15}$/.test(given) ? Number(given) : NaN;
      return number >= schema.minimum! && number <= schema.maximum! ? number : undefined;
    }
    case 'boolean':
      return /^(?:true|false|1|0)$/i.test(given) ? /^(?:true|1)$/i.test(given) : undefined;
    default:
      if (schema.enum !== undefined) return schema.enum.includes(given) ? given : undefined;
      return schema.read === undefined ? given : schema.read(given);
  }
}

export function wantedOf({ type, enum: choices, minimum, maximum, wanted }: SettingSchema): string {
  if (type === 'integer') return `a whole number from ${minimum} to ${maximum}, in digits alone`;
  if (type === 'boolean') return 'true or false';
  return choices === undefined ? wanted! : `one of ${choices.join(', ')}`;
}

export function exampleOf(schema: SettingSchema): string {
  if (schema.type === 'boolean') return 'true';
  return schema.example ?? String(schema.default ?? schema.minimum ?? schema.enum?.[0]);
}
