import { describe, expect, it } from 'vitest';
import { readOptions, type CrowdOptions } from '../../crowd/options.ts';

const options = (line: string): CrowdOptions => readOptions(line.split(' ').filter(Boolean)) as CrowdOptions;

describe('the options of npm run crowd', () => {
  it('have defaults: a tenth of the crowd gets a unit, most of them pay', () => {
    expect(options('')).toEqual({
      url: undefined,
      shoppers: 1_000,
      sale: undefined,
      units: 100,
      overMs: 10_000,
      room: false,
      habits: { pay: 0.8, abandon: 0.1, doubleClick: 0.1 },
    });
    expect(options('--shoppers 5 --over 2m --pay 1')).toMatchObject({
      units: 1,
      overMs: 120_000,
      habits: { pay: 1, abandon: 0 },
    });
  });

  it.each([
    ['--shoppers many', '--shoppers must be a whole number from 1 to 200000'],
    ['--over 10', '--over takes a time such as 90s or 10m'],
    ['--pay 80', '--pay takes a share from 0 to 1 such as 0.25'],
    ['--pay 1.2', '--pay takes a share from 0 to 1 such as 0.25'],
    ['--pay 0.8 --abandon 0.3', '--pay 0.8 and --abandon 0.3 are more than 1 together'],
    ['--sale 1 --units 5', '--sale and --units exclude each other'],
    ['--sale 1 --room', '--sale and --room exclude each other'],
    ['--sale', '--sale needs a value'],
  ])('%s is refused', (line, why) => {
    expect(() => options(line)).toThrow(why);
  });
});
