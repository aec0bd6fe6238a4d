/** `tally merchant`: sells and buys electronic money for others, and says what merchants ask for. */

import type { Command } from "commander";
import type { MerchantEvent } from "../applications/merchant.js";
import { reasonSentence } from "../reasons.js";
import { Directory } from "../services/directory.js";
import { currencyCode, formatDecimal, formatMoney } from "../units.js";
import { serveMerchant } from "../world/serve.js";
import { type GlobalOptions, outputFor, withSite } from "./context.js";
import { moneyJson, type Output } from "./output.js";
import { listening, type PlaceOptions, placeOf, type Stop, tell, untilTold } from "./serving.js";

type ServeOptions = GlobalOptions & PlaceOptions;

export function addMerchant(program: Command): void {
  const merchant = program.command("merchant").description("sell and buy electronic money against bank cards");
  listening(merchant.command("serve"))
    .description("serve customers until stopped: as many at once as the merchant has devices")
    .argument("<name>", "a name from `tally merchant list`")
    .action(async (name: string, _options: unknown, command: Command) => {
      await untilTold((stop) => serve(name, command.optsWithGlobals<ServeOptions>(), stop));
    });
  merchant
    .command("list")
    .description("the merchants' directory: who trades what, at which fee and rate")
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const entries = await withSite(options, async (site) => {
        const directory = await Directory.open(site.parts.home.database("directory"));
        return directory.entries();
      });
      const merchants = entries.map(({ id, name, address, offers }) => ({
        id,
        name,
        address,
        offers: offers.map((offer) => ({
          direction: offer.direction,
          money: currencyCode(offer.money),
          account: currencyCode(offer.account),
          rate: `${offer.rate.numerator}/${offer.rate.denominator}`,
          feeFixed: formatDecimal(offer.feeFixed, offer.account.exponent),
          feePermille: offer.feePermille,
        })),
      }));
      const lines = merchants.flatMap(({ name: title, address, offers }) => [
        `${title} (${address})`,
        ...offers.map(
          ({ direction, money, account, rate, feeFixed, feePermille }) =>
            `  ${direction.padEnd(4)} ${money} against ${account}, rate ${rate}, fee ${feeFixed} + ${feePermille} per thousand`,
        ),
      ]);
      outputFor(options).result({ merchants }, lines);
    });
}

async function serve(name: string, options: ServeOptions, stop: Stop): Promise<void> {
  const output = outputFor(options);
  const onMerchantEvent = (_merchant: string, event: MerchantEvent) => tellMerchantEvent(output, event);
  await withSite(
    options,
    async (site) => {
      const served = await serveMerchant(site, name, placeOf(options));
      const { merchant } = served.trader;
      tell(
        output,
        { event: "ready", url: served.url },
        `${merchant.name} serves customers at ${served.url}. Ctrl-C ends it.`,
      );
      if (served.networkIsHere)
        output.say(
          "Nobody serves the card network: until this ends it is in this process, and nobody else can serve it.",
        );
      served.server.on("served", ({ outcome, reason }) => {
        const why = reason === undefined ? "" : `: ${reasonSentence(reason)}`;
        tell(output, { event: "served", outcome, reason }, `A customer was served: ${outcome}${why}`);
      });
      served.server.on("settled", ({ committed, aborted, open }) => {
        const line = `Resumed: ${committed} stand, ${aborted} were undone, ${open} are still open.`;
        tell(output, { event: "settled", committed, aborted, open }, line);
      });
      served.server.on("failed", (error) => {
        tell(output, { event: "failed", message: error.message }, `A customer was not served: ${error.message}`);
      });
      await stop.told;
      output.say("Ending: customers that are being served are served to the end.");
      await served.close();
    },
    { onMerchantEvent },
  );
}

function tellMerchantEvent(output: Output, event: MerchantEvent): void {
  if (event.kind === "refilled") {
    const line = `Refilled with ${formatMoney(event.money)} by its ${event.from === "bank" ? "bank" : "other device"}.`;
    tell(output, { event: "refilled", from: event.from, ...moneyJson(event.money) }, line);
    return;
  }
  const { card, state, code } = event.entry;
  tell(
    output,
    { event: event.kind, card, state, code },
    `Card ${card}: ${state}${code === undefined ? "" : ` (${code})`}.`,
  );
}
