/* The card on the chip's own USB serial port (USB Serial/JTAG), in the frames of card/frames.h. */

#include <pthread.h>

#include "boards/board.h"
#include "card/stream.h"
#include "driver/usb_serial_jtag.h"
#include "freertos/FreeRTOS.h"
#include "line.h"
#include "sdkconfig.h"

/* The driver takes no piece that is larger than its buffer. */
#define BUFFER_BYTES 1024
#define PIECE_BYTES 256
/* A host that does not fetch an answer for so long has lost it, and the next command is served all the same. */
#define SEND_WAIT_MS 1000

bool board_receive(uint8_t *bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    int count = usb_serial_jtag_read_bytes(bytes + done, (uint32_t)(length - done), portMAX_DELAY);
    if (count < 0) return false;
    done += (size_t)count;
  }
  return true;
}

bool board_send(const uint8_t *bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    size_t piece = length - done < PIECE_BYTES ? length - done : PIECE_BYTES;
    int count = usb_serial_jtag_write_bytes(bytes + done, piece, pdMS_TO_TICKS(SEND_WAIT_MS));
    if (count < 0) return false;
    if (count == 0) return true;
    done += (size_t)count;
  }
  return true;
}

static void *serve(void *unused) {
  (void)unused;
  stream_serve();
  return NULL;
}

/* WAMR runs on a thread of pthread's. */
void line_serve(void) {
  usb_serial_jtag_driver_config_t options = {.tx_buffer_size = BUFFER_BYTES, .rx_buffer_size = BUFFER_BYTES};
  pthread_attr_t attributes;
  pthread_t card;
  if (usb_serial_jtag_driver_install(&options) != ESP_OK || pthread_attr_init(&attributes) != 0) return;
  bool is_started = pthread_attr_setstacksize(&attributes, CONFIG_TALLYSTICK_CARD_STACK_BYTES) == 0 &&
                    pthread_create(&card, &attributes, serve, NULL) == 0;
  (void)pthread_attr_destroy(&attributes);
  if (is_started) (void)pthread_join(card, NULL);
}
