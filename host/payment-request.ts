import { fromHex, toHex } from "./codec/bytes.js";
import { formatMoney, type Money, parseMoney } from "./units.js";
export interface PaymentRequest {
  readonly address: string;
  readonly payee: Uint8Array;
  readonly money: Money;
  readonly memo?: string;
  readonly reference: Uint8Array;
}
export function encodePaymentRequest(r: PaymentRequest): string {
  const q = new URLSearchParams({
    to: r.address,
    payee: toHex(r.payee),
    amount: formatMoney(r.money),
    ref: toHex(r.reference),
    ...(r.memo === undefined ? {} : { memo: r.memo }),
  });
  return `tally:pay?${q}`;
}
export function parsePaymentRequest(text: string): PaymentRequest {
  const q = new URL(text).searchParams;
  return {
    address: q.get("to") ?? "",
    payee: fromHex(q.get("payee") ?? ""),
    money: parseMoney(q.get("amount") ?? ""),
    reference: fromHex(q.get("ref") ?? ""),
    ...(q.has("memo") ? { memo: q.get("memo") ?? "" } : {}),
  };
}
export function qrText(uri: string): string {
  return uri;
}
