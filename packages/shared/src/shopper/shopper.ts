/**
 * A shopper's id: 1 to 255 visible ASCII characters, like `sub` in OpenID Connect, compared byte by
 * byte. Spaces, control characters and other characters are not allowed, so that two ids are never
 * equal on one server and different on another (`u1`, `U1 `, `ú1` are one user in a MySQL
 * `utf8mb4_unicode_ci` column, and three in Redis).
 */
export const USER_ID_LENGTH_MAX = 255;
export const USER_ID_PATTERN = `^[\\x21-\\x7e]{1,${USER_ID_LENGTH_MAX}}$`;
