import { OPERATOR_TOKEN, type TestApp } from '../../testing/support.ts';

export const basic = (name: string, token = OPERATOR_TOKEN) => ({
  authorization: `Basic ${Buffer.from(`${name}:${token}`).toString('base64')}`,
});
export const WRONG = { authorization: 'Bearer wrong' };
export const pause = (app: TestApp, id: number, headers: Record<string, string>) =>
  app.post(`/api/v1/admin/products/${id}/pause`, undefined, headers);
export const statsOf = (app: TestApp, id: number, headers: Record<string, string>) =>
  app.get(`/api/v1/admin/products/${id}/stats`, headers);
