/** `tally mint`: the bank's mint for token halves, and the authorization service beside it. */

import { type Command, InvalidArgumentError } from "commander";
import { ASSERTION_BYTES_MAX } from "../../firmware/protocol/tokens.js";
import { currencyCode, formatDecimal } from "../units.js";
import { serveMint } from "../world/serve-mint.js";
import { HomeTokens } from "../world/tokens.js";
import { type GlobalOptions, outputFor, withSite } from "./context.js";
import { EXIT_FAILED } from "./output.js";
import { listening, type PlaceOptions, placeOf, portNumber, type Stop, tell, untilTold } from "./serving.js";

const DAY_SECONDS = 86_400;
const DAYS_MAX = 3_650;

type ServeOptions = GlobalOptions & PlaceOptions & { readonly clearancePort?: number };

export function addMint(program: Command): void {
  const mint = program.command("mint").description("issue token halves, and authorizations");
  listening(mint.command("serve"))
    .description("make, redeem and refund token halves for others until stopped, over HTTP")
    .option("--clearance-port <number>", "port of the authorization service (default: any)", portNumber)
    .action(async (_options: unknown, command: Command) => {
      await untilTold((stop) => serve(command.optsWithGlobals<ServeOptions>(), stop));
    });
  mint
    .command("prove")
    .description("write down that an owner has shown papers: the authorization service then gives authorizations")
    .argument("<owner>", "for example alice")
    .argument("<assertion>", "for example over-21", assertionText)
    .option("--days <number>", "for so many days (default: 365)", daysNumber)
    .action(async (owner: string, assertion: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { readonly days?: number }>();
      const validUntil = await withSite(options, async (site) => {
        const until = Number(site.parts.clock.now_seconds()) + (options.days ?? 365) * DAY_SECONDS;
        await (await HomeTokens.open(site)).prove(owner, assertion, until);
        return new Date(until * 1000).toISOString();
      });
      const line = `${owner} has proved "${assertion}", until ${validUntil.slice(0, 10)}.`;
      outputFor(options).result({ owner, assertion, validUntil }, [line]);
    });
  mint
    .command("audit")
    .description("what was issued and what became of it, counted from every purse and compared with the bank's books")
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { units, faults } = await withSite(options, async (site) => {
        // Only read, so that a mint at work need not be waited for.
        return (await HomeTokens.open(site)).audit();
      });
      const sums = units.map(({ unit, ...amounts }) => ({
        currency: currencyCode(unit),
        ...Object.fromEntries(
          Object.entries(amounts).map(([name, amount]) => [name, formatDecimal(amount, unit.exponent)]),
        ),
      }));
      const lines = sums.map(({ currency, ...amounts }) => {
        const words = Object.entries(amounts).map(([name, amount]) => `${name} ${amount}`);
        return `${currency}: ${words.join(", ")}`;
      });
      const verdict = faults.length === 0 ? ["balanced"] : faults;
      outputFor(options).result({ units: sums, faults }, [...lines, ...verdict]);
      if (faults.length > 0) process.exitCode = EXIT_FAILED;
    });
}

async function serve(options: ServeOptions, stop: Stop): Promise<void> {
  const output = outputFor(options);
  const { clearancePort } = options;
  await withSite(options, async (site) => {
    const place = { ...placeOf(options), ...(clearancePort === undefined ? {} : { clearancePort }) };
    const served = await serveMint(await HomeTokens.open(site), place);
    const { url, clearanceUrl } = served;
    const ready = `The mint serves at ${url}, the authorization service at ${clearanceUrl}. Ctrl-C ends it.`;
    tell(output, { event: "ready", url, clearanceUrl }, ready);
    await stop.told;
    await served.close();
  });
}

function assertionText(text: string): string {
  const length = new TextEncoder().encode(text).length;
  if (length > 0 && length <= ASSERTION_BYTES_MAX) return text;
  throw new InvalidArgumentError(`It has 1 to ${ASSERTION_BYTES_MAX} bytes.`);
}

export function daysNumber(text: string): number {
  const days = Number(text);
  if (/^\d{1,4}$/.test(text) && days >= 1 && days <= DAYS_MAX) return days;
  throw new InvalidArgumentError(`It is a number of days from 1 to ${DAYS_MAX}.`);
}
