/** Deposits into an account at the bank's teller: a payment to the teller whose memo names the account. */

import type { Device } from "../device.js";
import type { Money } from "../units.js";
import { pay } from "./pay.js";
import type { Transfer } from "./transfer.js";
import { atCounter, type BankConnection } from "./withdraw.js";

export function deposit(device: Device, bank: BankConnection, account: string, money: Money): Promise<Transfer> {
  return atCounter(device, bank, async () => pay(device, await bank.connect(), money, { memo: account }));
}
