import { describe, expect, test, vi } from "vitest";
import { RecordingError } from "../../host/apdu-tools/recording.js";
import { openCard } from "../../host/cards/card-elements.js";
import type { CardPlace } from "../../host/cards/place.js";
import { type Transport, TransportError } from "../../host/transport.js";
import { CardChannels } from "../../host/transports/card-channels.js";

const OK = Uint8Array.of(0x90, 0);

/** A card that notes what it is told; its restarts fail as often as it is said. */
class NotingCard implements Transport {
  readonly name = "A";
  readonly extendedLength = true;
  readonly log: string[] = [];
  failures = 0;

  transmit(apdu: Uint8Array): Uint8Array {
    this.log.push(Buffer.from(apdu).toString("hex"));
    return OK;
  }

  async reset(): Promise<void> {
    this.log.push("reset");
    if (this.failures === 0) return;
    this.failures -= 1;
    throw new TransportError("The card was taken out of A.");
  }

  close(): void {}
}

const COMMAND = Uint8Array.of(0x80, 0x12, 0, 0);

async function setUp() {
  const card = new NotingCard();
  const channels = new CardChannels(card);
  const [basic, second] = [await channels.open(), await channels.open()];
  return { card, basic, second };
}

describe("channels of a card (ISO/IEC 7816-4, 5.4.1)", () => {
  test("each marks its commands, the basic one not", async () => {
    const { card, basic, second } = await setUp();
    await basic.transmit(COMMAND);
    await second.transmit(COMMAND);
    expect(card.log).toEqual(["00700001", "80120000", "81120000"]);
  });

  test("all are restarted together, and those that are not open again carry nothing", async () => {
    const { card, basic, second } = await setUp();
    card.log.length = 0;
    await basic.reset();
    expect(() => second.transmit(COMMAND)).toThrow(TransportError);
    await second.reset();
    expect(card.log).toEqual(["reset", "00700001"]);
    await second.reset();
    expect(card.log.slice(2)).toEqual(["reset", "00700001"]);
    expect(() => basic.transmit(COMMAND)).toThrow(TransportError);
  });

  test("a restart that failed is tried again by whoever is next", async () => {
    const { card, basic, second } = await setUp();
    card.log.length = 0;
    card.failures = 1;
    await expect(basic.reset()).rejects.toThrow(TransportError);
    expect(() => basic.transmit(COMMAND)).toThrow(TransportError);
    await second.reset();
    await basic.reset();
    expect(card.log).toEqual(["reset", "reset", "00700001"]);
    expect(await basic.transmit(COMMAND)).toEqual(OK);
  });
});

test("a card whose traffic cannot be recorded is given back, and can be taken again", async () => {
  const card = new NotingCard();
  const close = vi.fn();
  const place: CardPlace = {
    locator: "pcsc:A",
    title: "A",
    state: "card",
    connect: async () => Object.assign(card, { close }),
  };
  vi.stubEnv("TALLY_RECORD", "/nowhere/record");
  try {
    for (const times of [1, 2]) {
      await expect(openCard(place)).rejects.toThrow(RecordingError);
      expect(close).toHaveBeenCalledTimes(times);
    }
    expect(card.log).toEqual([]);
  } finally {
    vi.unstubAllEnvs();
  }
});
