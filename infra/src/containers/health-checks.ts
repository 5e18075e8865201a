import { repeating, type Service } from '@flash-sale/shared/platform/process/service.ts';

const INTERVAL_MS = 500;

/**
 * Runs the health checks of Podman's containers. Podman leaves that to systemd, which a container
 * or a small machine may lack. A healthy container is not checked again until it restarts.
 *
 * @param podman runs a command of Podman and returns its output
 */
export function repeatHealthChecks(podman: (args: readonly string[]) => Promise<string>): Service {
  const checks = repeating({
    name: 'health_checks',
    intervalMs: INTERVAL_MS,
    async round() {
      const found = await podman(['ps', '--quiet', '--filter', 'health=starting', '--filter', 'health=unhealthy']);
      for (const id of found.split('\n').filter(Boolean)) {
        // Its exit code is the result, which the container has recorded.
        await podman(['healthcheck', 'run', id]).catch(() => undefined);
      }
    },
  });
  checks.start();
  return checks;
}
