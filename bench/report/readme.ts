import { markdownTable } from './markdown-table.ts';
import { signOf, verdicts, type Verdict } from './page.ts';
import { figure, ratio, type ResultsJson } from './results.ts';

/** The pages that quote the figures, by language. */
export const READMES = { en: 'README.md', zh: 'README.zh-CN.md' } as const;
export type Language = keyof typeof READMES;

/** The name of each target for a reader of the README only, by its name in targets.ts. */
const TARGET_NAMES: Readonly<Record<string, Readonly<Record<Language, string>>>> = {
  'accepted, of bare': {
    en: 'buys/s accepted, share of an empty Fastify route',
    zh: '受理吞吐量，与空 Fastify 路由相比',
  },
  'refused when sold out, of bare': {
    en: 'buys/s refused when sold out, share of an empty Fastify route',
    zh: '售罄后的拒绝吞吐量，与空 Fastify 路由相比',
  },
  'accepted and written, of bare': {
    en: 'orders/s accepted and written, share of an empty Fastify route',
    zh: '受理并写入 MySQL 的吞吐量，与空 Fastify 路由相比',
  },
  'accepted and written, times usual': {
    en: 'orders/s accepted and written, multiple of the usual design',
    zh: '受理并写入 MySQL 的吞吐量，与常见实现相比',
  },
  'written, of raw INSERT': {
    en: 'orders/s written by one worker, share of plain INSERT statements',
    zh: '单个 worker 的写入吞吐量，与单纯的 INSERT 相比',
  },
  'seckill tokens, of bare': {
    en: 'seckill tokens/s issued, share of an empty Fastify route',
    zh: '秒杀令牌签发吞吐量，与空 Fastify 路由相比',
  },
  'joins of a waiting room, of bare': {
    en: 'joins/s of a waiting room, share of an empty Fastify route',
    zh: '候场室加入吞吐量，与空 Fastify 路由相比',
  },
  'api CPU of a seckill token, of a bare request': {
    en: 'api CPU time of a seckill token, multiple of an empty Fastify route',
    zh: '签发一个秒杀令牌的 api CPU 时间，与空 Fastify 路由相比',
  },
  'api CPU of a buy, of a bare request': {
    en: 'api CPU time of a buy, multiple of an empty Fastify route',
    zh: '一次购买的 api CPU 时间，与空 Fastify 路由相比',
  },
  'api CPU of a refusal, of a bare request': {
    en: 'api CPU time of a refusal when sold out, multiple of an empty Fastify route',
    zh: '售罄后一次拒绝的 api CPU 时间，与空 Fastify 路由相比',
  },
  'CPU of all processes per order, of a bare request': {
    en: 'CPU time of all processes for an order, multiple of an empty Fastify route',
    zh: '一个订单在所有进程中的 CPU 时间，与空 Fastify 路由相比',
  },
  'whole journeys': {
    en: 'shoppers/s from seckill token to settled order',
    zh: '每秒完成的购物流程（令牌、购买、查询结果）',
  },
  'buy at half of what is sustained, p99': {
    en: 'time to answer a buy at half of the sustained rate, p99',
    zh: '可持续速率一半时购买请求的响应时间，p99',
  },
  '202 to row at the same rate, p99': {
    en: 'time from the answer to the row in MySQL at that rate, p99',
    zh: '同一速率下从响应到 MySQL 落库的时间，p99',
  },
};

export const targetName = (what: string, language: Language): string => TARGET_NAMES[what]?.[language] ?? what;

/** Three digits, or all of a whole number. */
const rounded = (value: number): string => {
  if (Number.isInteger(value) || value >= 100) return Math.round(value).toLocaleString('en');
  return value.toPrecision(3);
};
const percent = (share: number): string => `${Math.round(share * 100)} %`;

/**
 * In the usual unit: a share as a percentage, a multiple or a cost as a factor, a latency in
 * milliseconds.
 */
function inUnit({ unit, what, isCost }: Verdict, value: number): string {
  if (unit !== '×') return `${rounded(value)}${unit === 'ms' ? ' ms' : unit}`;
  return isCost || what.includes('times') ? `${rounded(value)} ×` : percent(value);
}

function targetTable(results: ResultsJson, language: Language): string {
  const words = {
    en: {
      head: ['Target', 'Limit', 'Measured', ''],
      reached: 'reached',
      missed: '**missed**',
      unknown: 'not measured',
    },
    zh: { head: ['目标', '要求', '实测', ''], reached: '达到', missed: '**未达到**', unknown: '未测量' },
  }[language];
  const rows = verdicts(results).map((verdict) => {
    const limit = `${signOf(verdict)} ${inUnit(verdict, verdict.target)}`;
    const measured = verdict.measured === undefined ? words.unknown : inUnit(verdict, verdict.measured.median);
    const outcome = verdict.isReached ? words.reached : words.missed;
    return [targetName(verdict.what, language), limit, measured, outcome];
  });
  return markdownTable(words.head, rows);
}

/**
 * The part of a README that quotes the figures; undefined if the run was interrupted before it had
 * them all.
 */
export function readmePart(results: ResultsJson, language: Language): string | undefined {
  const accepted = figure(results, 'accept.per_second');
  const written = figure(results, 'end_to_end.per_second');
  const buy = figure(results, 'half_load_buy.p99_ms');
  const row = figure(results, 'half_load_row.p99_ms');
  const times = ratio(results, { of: 'end_to_end.per_second', to: 'usual_end_to_end.per_second' });
  const share = ratio(results, { of: 'accept.per_second', to: 'bare.per_second' });
  if (!accepted || !written || !times || !share) return undefined;
  const all = verdicts(results);
  const values: Values = {
    cores: results.machine.cores,
    accepted: rounded(accepted.median),
    share: percent(share.median),
    written: rounded(written.median),
    times: rounded(times.median),
    latency: buy && row && { buyMs: rounded(buy.median), rowMs: rounded(row.median) },
    missed: all.filter(({ isReached }) => !isReached).length,
    targets: all.length,
    table: targetTable(results, language),
  };
  return language === 'en' ? english(values) : chinese(values);
}

interface Values {
  readonly cores: number;
  readonly accepted: string;
  readonly share: string;
  readonly written: string;
  readonly times: string;
  readonly latency: { readonly buyMs: string; readonly rowMs: string } | undefined;
  readonly missed: number;
  readonly targets: number;
  readonly table: string;
}

const latencyInEnglish = ({ latency }: Values): string =>
  latency === undefined
    ? ''
    : `
- At half of that rate, 99 % of the buys are answered within **${latency.buyMs} ms**. After the
  answer, 99 % of the orders are in MySQL within another **${latency.rowMs} ms**.`;

const english = (v: Values): string => `![Requests per second](docs/performance/throughput.svg)

The load generator, api, Redis, worker and MySQL share ${v.cores} cores:

- One api process accepts **${v.accepted} buys/s**: ${v.share} of the throughput of an empty Fastify route.
- The service accepts **${v.written} orders/s** and writes them to MySQL: ${v.times} times the throughput of
  [the usual design](bench/baseline/usual-api.ts).${latencyInEnglish(v)}

${v.missed === 0 ? `The service reaches all ${v.targets} targets:` : `The service misses ${v.missed} of ${v.targets} targets:`}

${v.table}

[Performance](docs/performance.md) has the method, all results, and the reasons for missed targets.`;

const latencyInChinese = ({ latency }: Values): string =>
  latency === undefined
    ? ''
    : `
- 以该速率的一半施压时，99 % 的购买请求在 **${latency.buyMs} ms** 内得到响应；99 % 的订单在响应之后
  **${latency.rowMs} ms** 内写入 MySQL。`;

const chinese = (v: Values): string => `![每秒请求数](docs/performance/throughput.svg)

压测程序、api、Redis、worker 和 MySQL 共用 ${v.cores} 个 CPU 核：

- 单个 api 进程每秒受理 **${v.accepted} 次购买**，是空 Fastify 路由吞吐量的 ${v.share}。
- 整个服务每秒受理 **${v.written} 个订单**并写入 MySQL，
  吞吐量是[常见实现](bench/baseline/usual-api.ts)的 ${v.times} 倍。${latencyInChinese(v)}

${v.missed === 0 ? `${v.targets} 个目标全部达到：` : `${v.targets} 个目标中有 ${v.missed} 个未达到：`}

${v.table}

[性能](docs/performance.md)说明测试方法、全部结果以及未达标的原因。`;
