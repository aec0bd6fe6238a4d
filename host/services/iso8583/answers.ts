/** The answer to a message: what it repeats of the request, and the response code. */

import { IsoMessage } from "./codec.js";
import { type IsoFields, responseType } from "./fields.js";
import { type AuthorizationRequest, RESPONSE, type ResponseCode } from "./messages.js";

/** Year, day of the year, hour and number: unique for ten years, and readable on a statement. */
export function referenceNumber(request: AuthorizationRequest): string {
  const date = new Date(Number(request.time_seconds) * 1000);
  const year = date.getUTCFullYear();
  const dayOfYear = Math.floor((date.getTime() - Date.UTC(year, 0, 1)) / 86_400_000) + 1;
  const hour = date.getUTCHours();
  return `${year % 10}${pad(dayOfYear, 3)}${pad(hour, 2)}${pad(request.stan, 6)}`;
}

function pad(value: number, digits: number): string {
  return value.toString().padStart(digits, "0");
}

/** The answer to a message: its own fields, but for the card's and what is signed, and a response code. */
export function answerTo(message: IsoMessage, code: ResponseCode): IsoMessage {
  const second = Number(message.type[2]);
  if (second % 2 === 1) return new IsoMessage("0810", { ...echoed(message), 39: RESPONSE.formatError });
  return new IsoMessage(responseType(message.type), { ...echoed(message), 39: code });
}

const ECHOED = [3, 4, 7, 11, 12, 13, 32, 41, 42, 49] as const;

export function echoed(message: IsoMessage): IsoFields {
  const entries = ECHOED.filter((number) => message.fields[number] !== undefined);
  return Object.fromEntries(entries.map((number) => [number, message.fields[number]])) as IsoFields;
}
