const NOT_METRICS = new Set(['and', 'or', 'unless', 'by', 'on', 'bool']);

/** The metrics that a PromQL expression reads. */
export function metricsOf(expr: string): string[] {
  const names = expr
    .replaceAll(/"[^"]*"|'[^']*'/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replaceAll(/\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)/g, '')
    .match(/[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])/g);
  return [...new Set(names)].filter((name) => !NOT_METRICS.has(name));
}
