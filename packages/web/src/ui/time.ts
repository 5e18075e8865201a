import { useEffect, useState } from 'preact/hooks';

/** Draws the component again each `everyMs`. */
export function useTick(everyMs: number, isOn = true): void {
  const [, draw] = useState(0);
  useEffect(() => {
    if (!isOn) return undefined;
    const timer = setInterval(() => draw((ticks) => ticks + 1), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, isOn]);
}

export interface TimeParts {
  readonly days: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
}

/** The parts of a time span. A begun second counts as a whole one: "0 s" means that it is over. */
export function partsOf(spanMs: number): TimeParts {
  const all = Math.max(0, Math.ceil(spanMs / 1_000));
  return {
    days: Math.floor(all / 86_400),
    hours: Math.floor(all / 3_600) % 24,
    minutes: Math.floor(all / 60) % 60,
    seconds: all % 60,
  };
}

const two = (value: number): string => String(value).padStart(2, '0');

/** `4:05`, `1:04:05`; days are counted in hours. */
export function clockText(spanMs: number): string {
  const { days, hours, minutes, seconds } = partsOf(spanMs);
  const allHours = days * 24 + hours;
  return allHours > 0 ? `${allHours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}
