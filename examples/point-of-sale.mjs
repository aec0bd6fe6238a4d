// A till: asks for an amount, shows the request as a QR code, waits until it is paid, prints a receipt.
//   node examples/point-of-sale.mjs ./world bob "USD 3.50" "coffee"
import { formatMoney, openWallet, parseMoney, qrText } from "tallystick";

const [home, owner, price, memo] = process.argv.slice(2);
const till = await openWallet(home, owner);
const reception = await till.request(parseMoney(price), { memo });
console.log(qrText(reception.uri));
console.log(`Pay with: tally wallet pay NAME "${reception.uri}"`);

reception.on("refused", (error) => console.log(`Not paid: ${error.message}`));
reception.on("doubt", () => console.log("The connection broke. Waiting for the payer to come back ..."));

const { money, peer } = await reception.paid;
console.log(`Received ${formatMoney(money)} for ${memo} from ${Buffer.from(peer).toString("hex")}.`);
const [balance] = await till.balances();
console.log(`In the till: ${formatMoney({ amount: balance.spendable, unit: balance.unit })}.`);
await reception.close();
await till.close();
