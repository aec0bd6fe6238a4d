/* USB Serial/JTAG on standard input and output. Reading gives what there is, at least one byte; writing takes whole pieces. */

#include <stdbool.h>
#include <unistd.h>

#include "driver/usb_serial_jtag.h"
#include "freertos/FreeRTOS.h"

static uint32_t send_buffer_bytes;

esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t *usb_serial_jtag_config) {
  bool is_sized = usb_serial_jtag_config->tx_buffer_size > 0 && usb_serial_jtag_config->rx_buffer_size > 0;
  send_buffer_bytes = usb_serial_jtag_config->tx_buffer_size;
  return is_sized ? ESP_OK : ESP_ERR_INVALID_ARG;
}

int usb_serial_jtag_read_bytes(void *buf, uint32_t length, uint32_t ticks_to_wait) {
  if (ticks_to_wait != portMAX_DELAY) return -1;
  ssize_t count = read(STDIN_FILENO, buf, length);
  /* No port has an end; the test's has. */
  return count > 0 ? (int)count : -1;
}

int usb_serial_jtag_write_bytes(const void *src, size_t size, uint32_t ticks_to_wait) {
  (void)ticks_to_wait;
  if (size > send_buffer_bytes) return 0;
  return write(STDOUT_FILENO, src, size) == (ssize_t)size ? (int)size : -1;
}
