import type { Payment } from '../../src/payment/payment.ts';
import type { PaymentProvider } from '../../src/payment/provider.ts';
import { FakeStripe } from '../../testing/fake-stripe.ts';

export const WEBHOOK_SECRET = 'whsec_of_this_test';
export const PAYMENT: Payment = {
  paymentId: 'pay_1',
  orderNo: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17',
  productId: 17,
  provider: 'stripe',
  providerRef: null,
  url: null,
  status: 'started',
  amountCents: 1_999,
  currency: 'EUR',
  keyNo: 0,
};
/** The payment once it was started. */
export async function started(stripe: PaymentProvider): Promise<Payment & { providerRef: string }> {
  const { providerRef } = await stripe.start(PAYMENT);
  return { ...PAYMENT, providerRef };
}
/** The payment once its money has come. */
export async function paid(stripe: PaymentProvider, fake: FakeStripe): Promise<Payment & { providerRef: string }> {
  const payment = await started(stripe);
  fake.pay(payment.providerRef);
  return payment;
}
