import { TOKEN_ALGORITHMS, TOKEN_FORMAT_DEFAULT, tokenFormatFormat, tokenFormatText } from '../token-format.ts';
import { webUrlFormat } from '../formats.ts';
import { names, operatorToken, secret, text, optional, choice } from '../setting-kinds.ts';

/** Settings that say who shoppers and operators are. */
export const identitySettings = {
  AUTH_MODE: optional(
    choice(['trusted', 'jwt'], {
      description:
        'How shoppers are known. `trusted`: `user_id` is believed, set it behind a gateway that authenticates; `jwt`: by access tokens. Default: `trusted`, in production `jwt`',
    }),
  ),
  JWT_SECRET: optional(
    secret('HS256 secret of access tokens, at least 32 bytes. Set it if your own service signs them', {
      read: (value) => (Buffer.byteLength(value) >= 32 ? value : undefined),
      wanted: 'at least 32 bytes long',
      example: 'the output of: openssl rand -hex 32',
    }),
  ),
  JWKS_URL: optional(
    text('Key set of the identity provider. Set it if one signs the access tokens', {
      read: webUrlFormat,
      wanted: 'an http or https URL without credentials',
      example: 'https://identity.example.com/.well-known/jwks.json',
    }),
  ),
  JWT_ISSUER: optional(
    text(
      'Value of `iss` in access tokens, or several separated by commas. Production needs it with `JWKS_URL`',
      names('https://identity.example.com/'),
    ),
  ),
  JWT_AUDIENCE: optional(
    text(
      'Audience of access tokens, or several separated by commas. Production needs it with `JWKS_URL`',
      names('flash-sale'),
    ),
  ),
  JWT_FORMAT: text(
    'How the access tokens of your provider differ, separated by commas: `alg=ES256` (the only algorithm accepted with `JWKS_URL`), `sub=oid` (claim with the shopper’s id), `aud=azp` (claim with the audience), `tolerance=60` (s by which its clock may differ). Set the parts in which your provider differs',
    {
      default: tokenFormatText(TOKEN_FORMAT_DEFAULT),
      read: tokenFormatFormat,
      wanted: `alg=…, sub=…, aud=… or tolerance=…, or several separated by commas: an algorithm of ${TOKEN_ALGORITHMS.join(' ')}; names of claims, up to 200 visible ASCII characters without " \\ and a comma; 0 to 300 seconds`,
      example: 'alg=ES256,aud=azp',
    },
  ),
  ADMIN_TOKEN: operatorToken(
    'Operator token that may read and change. Set it to use the operators’ calls, which are closed without it',
  ),
  VIEWER_TOKEN: operatorToken('Operator token that may only read. Set it for people and tools that only watch'),
};
