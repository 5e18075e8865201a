import fp from 'fastify-plugin';
import type { Tracing } from '@flash-sale/shared/platform/telemetry/tracing-types.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The trace context of the request (W3C), if it is traced. */
    traceparent: string | undefined;
  }
}

const UNTRACED = new Set(['/healthz', '/readyz']);

/**
 * A span for each request, in the sender's trace, if traces are on. Registered before any route.
 */
export const tracing = fp<{ readonly tracing: Tracing | undefined }>(
  async (app, options) => {
    app.decorateRequest('traceparent');
    if (options.tracing === undefined) return;
    const { FastifyOtelInstrumentation } = await import('@fastify/otel');
    const { traceparentOf } = await import('@flash-sale/shared/platform/telemetry/open-telemetry.ts');
    const instrumentation = new FastifyOtelInstrumentation({
      instrumentHooks: false,
      instrumentHandler: false,
      ignorePaths: ({ url }) => UNTRACED.has(url),
      requestHook: (span, request) => {
        const { method, url, routeOptions } = request;
        span.updateName(`${method} ${routeOptions.url ?? ''}`);
        // A query may contain a shopper's id.
        span.setAttribute('url.path', url.split('?', 1)[0]!);
        span.setAttribute('seckill.request_id', request.id);
        request.traceparent = traceparentOf(span);
      },
    });
    await app.register(instrumentation.plugin());
  },
  { name: 'tracing' },
);
