import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { JWTPayload } from 'jose';
import Type from 'typebox';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { isoOf, mayRefuse, SHOPPER_BODY_BYTES_MAX, Time, UserId } from '../fields.ts';

const LIFE_S = 3_600;

const OpenSession = {
  summary: 'Log in as any shopper',
  description: 'For development only. It does not exist in production, or if another service signs the access tokens.',
  tags: ['development'],
  body: Type.Object({ user_id: UserId }, { additionalProperties: false }),
  ...mayRefuse('forbidden'),
  response: {
    200: Type.Object({ access_token: Type.String(), token_type: Type.Literal('Bearer'), expires_at: Time }),
  },
};

/**
 * A login without a password, so that a client can be developed before there is an identity
 * provider.
 */
export const devRoutes: FastifyPluginAsyncTypebox<{ readonly config: Config }> = async (app, { config }) => {
  const { NODE_ENV, JWT_SECRET, JWT_ISSUER, JWT_AUDIENCE, JWT_AUDIENCE_CLAIM, JWT_SUBJECT_CLAIM } = config;
  if (NODE_ENV === 'production' || JWT_SECRET === undefined) return;
  const { SignJWT } = await import('jose');
  const secret = new TextEncoder().encode(JWT_SECRET);

  app.post(
    '/api/v1/dev/session',
    { schema: OpenSession, bodyLimit: SHOPPER_BODY_BYTES_MAX, onRequest: app.limitAddress },
    async (request, reply) => {
      const expiresS = Math.floor(Date.now() / 1_000) + LIFE_S;
      const claims: JWTPayload = { [JWT_SUBJECT_CLAIM]: request.body.user_id };
      // The first, if there are several.
      if (JWT_ISSUER !== undefined) claims.iss = JWT_ISSUER.split(',', 1)[0]!;
      if (JWT_AUDIENCE !== undefined) claims[JWT_AUDIENCE_CLAIM] = JWT_AUDIENCE.split(',', 1)[0]!;
      const unsigned = new SignJWT(claims).setProtectedHeader({ alg: 'HS256' });
      const accessToken = await unsigned.setIssuedAt().setExpirationTime(expiresS).sign(secret);
      reply.header('cache-control', 'no-store');
      return { access_token: accessToken, token_type: 'Bearer' as const, expires_at: isoOf(expiresS * 1_000) };
    },
  );
};
