export * from "../../firmware/lib/store";
