/** `tally wallet limit`: what the owner lets the chip pay at most. The chip enforces it, whatever a host says. */

import type { Command } from "commander";
import type { SpendingState } from "../element-data.js";
import { formatMoney, parseMoney, type Unit } from "../units.js";
import { type OwnerOptions, outputFor, withWallet } from "./context.js";
import { moneyJson } from "./output.js";

interface LimitOptions extends OwnerOptions {
  readonly payment?: string;
  readonly day?: string;
}

export function addLimit(wallet: Command): void {
  wallet
    .command("limit")
    .description(
      "show or set the most that is paid at once and in a day; deposits count, and what is refreshed does not",
    )
    .argument("<owner>", "for example alice")
    .option("--payment <amount>", 'most for one payment, for example "USD 20.00"; "USD 0" is no limit')
    .option("--day <amount>", "most for one day, from midnight UTC")
    .action(async (owner: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<LimitOptions>();
      const { payment, day } = options;
      const limits = await withWallet(options, owner, async (opened) => {
        if (payment !== undefined || day !== undefined) {
          const given = {
            ...(payment === undefined ? {} : { payment: parseMoney(payment) }),
            ...(day === undefined ? {} : { day: parseMoney(day) }),
          };
          await opened.setLimit(given);
        }
        return opened.limits();
      });
      const value = limits.map((limit) => ({
        currency: amountOf(limit.payment, limit).currency,
        payment: amountOf(limit.payment, limit).amount,
        day: amountOf(limit.day, limit).amount,
        spentToday: amountOf(limit.spentToday, limit).amount,
      }));
      outputFor(options).result(
        { owner, limits: value },
        limits.length > 0 ? limits.map(lineOf) : ["There is no limit."],
      );
    });
}

function amountOf(amount: bigint, { unit }: { readonly unit: Unit }) {
  return moneyJson({ amount, unit });
}

function lineOf({ unit, payment, day, spentToday }: SpendingState): string {
  const most = (amount: bigint) => (amount === 0n ? "no limit" : formatMoney({ amount, unit }));
  const spent = formatMoney({ amount: spentToday, unit });
  return `At once: ${most(payment)}. In a day: ${most(day)}, of which ${spent} are spent today.`;
}
