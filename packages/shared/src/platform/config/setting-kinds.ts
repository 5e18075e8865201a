import {
  endpointsFormat,
  hostFormat,
  listOf,
  matching,
  ownCertificateFormat,
  pairFormat,
  tlsFormat,
  type Format,
  type Range,
} from './formats.ts';

/** The form of a text. Numbers, switches and choices need no description. */
export interface Shape {
  /** The form, in words that follow "it must be". */
  readonly wanted: string;
  readonly example: string;
  /**
   * Brings a text into its one spelling, or refuses it. Left out if every text that is not blank
   * fits.
   */
  readonly read?: Format;
  readonly default?: string;
  /** A refused value is not shown. */
  readonly isHidden?: boolean;
}

/**
 * How a setting is read and explained. A plain object: every process and every small command reads
 * settings, and a schema library would be half of the modules that such a command loads.
 */
export interface SettingSchema<Value = unknown> extends Partial<Omit<Shape, 'default'>> {
  readonly type: 'string' | 'integer' | 'boolean';
  readonly description: string;
  readonly default?: string | number | boolean;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly secret?: boolean;
  /** Never set: the type of the value, for the compiler. */
  readonly valueType?: Value;
}

/** A setting that may have no value. */
export interface Optional {
  readonly isOptional: true;
}

export const optional = <Schema extends SettingSchema>(schema: Schema): Schema & Optional => ({
  ...schema,
  isOptional: true,
});
export const text = (description: string, shape: Shape): SettingSchema<string> => ({
  type: 'string',
  description,
  ...shape,
});
export const choice = <const Choice extends string>(
  choices: readonly Choice[],
  rest: { readonly description: string; readonly default?: NoInfer<Choice> },
): SettingSchema<Choice> => ({ type: 'string', enum: choices, ...rest });
export const integer = (description: string, minimum: number, maximum: number): SettingSchema<number> => ({
  type: 'integer',
  description,
  minimum,
  maximum,
});
export const count = (description: string, value: number, minimum: number, maximum: number): SettingSchema<number> => ({
  ...integer(description, minimum, maximum),
  default: value,
});
export const port = (description: string, value: number) => count(description, value, 0, 65_535);
export const boolean = (description: string): SettingSchema<boolean> => ({ type: 'boolean', description });
export const flag = (description: string): SettingSchema<boolean> => ({ ...boolean(description), default: false });
/** Text that must not appear in a log. Spaces at its ends belong to it. */
export const secret = (description: string, shape: Shape): SettingSchema<string> => ({
  ...text(description, shape),
  secret: true,
});
export const host = (description: string, value: string) =>
  text(description, {
    default: value,
    read: hostFormat,
    wanted: 'a host name or an address alone: no scheme, port, path or socket (the port is a setting of its own)',
    example: value,
  });
export const endpoints = {
  read: endpointsFormat,
  wanted: 'host:port, or several separated by commas; IPv6 in brackets',
};
/**
 * Whether a server is connected to by TLS: a switch, or the certificates that must have signed the
 * server's.
 */
export const tls = (description: string) =>
  text(description, {
    default: 'false',
    read: tlsFormat,
    isHidden: true,
    wanted:
      'true, false, or certificates in PEM, not the path of a file with them: that goes into the same name with _FILE',
    example: 'true',
  });
export const ownCertificate = (description: string) =>
  optional(
    secret(description, {
      read: ownCertificateFormat,
      wanted:
        'a certificate and its private key without a passphrase, in PEM, not the path of a file with them: that goes into the same name with _FILE',
      example: 'the output of: cat tls.crt tls.key',
    }),
  );
/** Two numbers that belong together. */
export const pair = (
  description: string,
  { first, second, default: value }: { readonly first: Range; readonly second: Range; readonly default: string },
) =>
  text(description, {
    default: value,
    read: pairFormat(first, second),
    wanted: `two whole numbers with a slash between them, from ${first.join(' to ')} and from ${second.join(' to ')}`,
    example: value,
  });
/** A text without a form of its own: each server decides what it accepts. */
export const password = (description: string) =>
  secret(description, {
    default: '',
    read: matching(/^[^\r\n]+$/),
    wanted: 'a password in one line',
    example: 'the output of: openssl rand -hex 32',
  });
/** Text that is sent in a header, which allows no spaces and only ASCII. */
export const operatorToken = (description: string) =>
  optional(
    secret(description, {
      read: matching(/^[\x21-\x7e]+$/),
      wanted: 'visible ASCII characters without blanks, also at its ends',
      example: 'the output of: openssl rand -hex 32',
    }),
  );
/** Text that ends up in key names, where braces would move the hash tag. */
export const keyText = (description: string) =>
  text(description, {
    default: '',
    read: matching(/^[A-Za-z0-9:_.-]{0,64}$/),
    wanted: 'up to 64 letters, digits and : _ . -',
    example: 'shop:',
  });
/** Names that are compared exactly, separated by commas. */
export const names = (example: string) => ({
  read: listOf(matching(/^[^,\s]+$/)),
  wanted: 'one text without blanks, or several separated by commas',
  example,
});
