/** `tally seller`: sells things for token halves. */

import type { Command } from "commander";
import { formatMoney, type Money } from "../units.js";
import { serveNewspaper } from "../world/serve-newspaper.js";
import { HomeTokens, TOKEN_UNIT } from "../world/tokens.js";
import { type GlobalOptions, outputFor, withSite } from "./context.js";
import { moneyJson } from "./output.js";
import { listening, type PlaceOptions, placeOf, type Stop, tell, untilTold } from "./serving.js";

type ServeOptions = GlobalOptions & PlaceOptions;

export function addSeller(program: Command): void {
  const seller = program.command("seller").description("sell for token halves, over HTTP");
  listening(seller.command("serve"))
    .description("serve articles until stopped; what was earned is redeemed at the end")
    .argument("<name>", "for example gazette")
    .action(async (name: string, _options: unknown, command: Command) => {
      await untilTold((stop) => serve(name, command.optsWithGlobals<ServeOptions>(), stop));
    });
  seller
    .command("list")
    .description("who sells for token halves, and where")
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const sellers = await withSite(options, async (site) => {
        const tokens = await HomeTokens.open(site);
        return tokens.sellers.map(({ name, title }) => {
          const url = site.parts.home.holder(`seller-${name}`)?.url ?? null;
          return { name, title, url };
        });
      });
      const lines = sellers.map(
        ({ name, title, url }) => `${name.padEnd(12)} ${title}${url === null ? "" : ` at ${url}`}`,
      );
      outputFor(options).result({ sellers }, lines);
    });
}

async function serve(name: string, options: ServeOptions, stop: Stop): Promise<void> {
  const output = outputFor(options);
  await withSite(options, async (site) => {
    const served = await serveNewspaper(await HomeTokens.open(site), name, placeOf(options), {
      onSold: ({ path, title }, { price }) => {
        const money: Money = { amount: price, unit: TOKEN_UNIT };
        tell(output, { event: "sold", path, ...moneyJson(money) }, `Sold "${title}" for ${formatMoney(money)}.`);
      },
    });
    tell(
      output,
      { event: "ready", url: served.url },
      `${served.shop.title} sells articles at ${served.url}. Ctrl-C ends it.`,
    );
    if (served.shop.mintIsHere)
      output.say("Nobody serves the mint: until this ends it is served by this process, and nobody else can serve it.");
    await stop.told;
    const { credited, failed } = await served.shop.seller.redeem();
    for (const { amount, unit, tokens } of credited) {
      const line = `Redeemed ${tokens} tokens: ${formatMoney({ amount, unit })} were credited.`;
      tell(output, { event: "redeemed", tokens, ...moneyJson({ amount, unit }) }, line);
    }
    for (const { message } of failed) tell(output, { event: "failed", message }, `Not redeemed: ${message}`);
    await served.close();
  });
}
