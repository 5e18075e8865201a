import type { BodyOfAnswer, Method } from './answer.ts';
import type { components, paths } from './schema.ts';

type AnswerOf<Path extends keyof paths, As extends Method> = BodyOfAnswer<paths, Path, As>;

export type ProductPage = AnswerOf<'/api/v1/products', 'get'>;
export type Product = AnswerOf<'/api/v1/products/{id}', 'get'>;
export type SeckillToken = AnswerOf<'/api/v1/seckill/token', 'post'>;
export type Challenge = AnswerOf<'/api/v1/seckill/challenge', 'get'>;
export type JoinedRoom = AnswerOf<'/api/v1/seckill/queue', 'post'>;
export type Place = AnswerOf<'/api/v1/seckill/queue', 'get'>;
export type AcceptedBuy = AnswerOf<'/api/v1/seckill/buy', 'post'>;
export type Order = AnswerOf<'/api/v1/orders/{orderNo}', 'get'>;
export type OrderPage = AnswerOf<'/api/v1/orders', 'get'>;
export type PaymentStep = AnswerOf<'/api/v1/orders/{orderNo}/pay', 'post'>;
export type DevSession = AnswerOf<'/api/v1/dev/session', 'post'>;
export type Problem = components['schemas']['Problem'];
export type ErrorCode = Problem['code'];
