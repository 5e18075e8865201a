/**
 * A shopper's id: 1 to 255 visible ASCII characters, as OpenID Connect has in `sub`, compared byte by byte. Leaving out spaces, control characters and
 * everything beyond ASCII means that no two ids can look equal to one server and different to another
 * (`u1`, `U1 `, `ú1` are one user in a MySQL `utf8mb4_unicode_ci` column, and three in Redis).
 */
export const USER_ID_LENGTH_MAX = 255;
export const USER_ID_PATTERN = `^[\\x21-\\x7e]{1,${USER_ID_LENGTH_MAX}}$`;
