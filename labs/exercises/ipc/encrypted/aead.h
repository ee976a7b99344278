/*
 * ChaCha20, Poly1305 and the two together, as RFC 8439 describes them. To be read: real programs
 * use a library, which is faster, and tested for what a compiler makes of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    KEY_SIZE = 32,
    NONCE_SIZE = 12,
    TAG_SIZE = 16,
    CHACHA_BLOCK = 64,
    LIMBS = 17, /* of 8 bits each, for numbers below 2 to the power of 130 and a bit more */
};

/* Numbers are little-endian in all of it, on every machine. */
static uint32_t word_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void put_word(unsigned char *bytes, uint32_t word)
{
    for (int byte = 0; byte < 4; byte++)
        bytes[byte] = (unsigned char)(word >> 8 * byte);
}

static uint32_t rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

/* Section 2.1: the quarter round. */
static void quarter(uint32_t state[16], int a, int b, int c, int d)
{
    state[a] += state[b], state[d] = rotate(state[d] ^ state[a], 16);
    state[c] += state[d], state[b] = rotate(state[b] ^ state[c], 12);
    state[a] += state[b], state[d] = rotate(state[d] ^ state[a], 8);
    state[c] += state[d], state[b] = rotate(state[b] ^ state[c], 7);
}

/* Section 2.3: 64 bytes of key stream. */
static void chacha_block(const unsigned char *key, uint32_t counter, const unsigned char *nonce,
                         unsigned char out[CHACHA_BLOCK])
{
    uint32_t first[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}; /* "expand 32-byte k" */
    uint32_t state[16];
    for (int word = 0; word < 8; word++)
        first[4 + word] = word_at(key + 4 * word);
    first[12] = counter;
    for (int word = 0; word < 3; word++)
        first[13 + word] = word_at(nonce + 4 * word);
    memcpy(state, first, sizeof state);
    for (int round = 0; round < 10; round++) { /* each is two of the 20 */
        for (int column = 0; column < 4; column++)
            quarter(state, column, 4 + column, 8 + column, 12 + column);
        for (int column = 0; column < 4; column++)
            quarter(state, column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4);
    }
    for (int word = 0; word < 16; word++)
        put_word(out + 4 * word, state[word] + first[word]);
}

/* Section 2.4: the same call encrypts and decrypts. */
static void chacha(const unsigned char *key, uint32_t counter, const unsigned char *nonce,
                   unsigned char *text, size_t size)
{
    unsigned char stream[CHACHA_BLOCK];
    for (size_t at = 0; at < size; at++) {
        if (at % CHACHA_BLOCK == 0)
            chacha_block(key, counter++, nonce, stream);
        text[at] ^= stream[at % CHACHA_BLOCK];
    }
}

/* Bring all limbs below 256, and what is above 2 to the power of 130 back in: there 1 is worth 5. */
static void carry(uint32_t number[LIMBS])
{
    uint32_t over = 0;
    for (int limb = 0; limb < LIMBS - 1; limb++) {
        over += number[limb];
        number[limb] = over & 0xff;
        over >>= 8;
    }
    over += number[LIMBS - 1];
    number[LIMBS - 1] = over & 3;
    over = 5 * (over >> 2);
    for (int limb = 0; limb < LIMBS; limb++) {
        over += number[limb];
        number[limb] = over & 0xff;
        over >>= 8;
    }
}

/* number = number times by, modulo 2^130 - 5. Limb 17 would be 2^136, which is worth 5 times 64. */
static void multiply(uint32_t number[LIMBS], const uint32_t by[LIMBS])
{
    uint32_t product[LIMBS];
    for (int limb = 0; limb < LIMBS; limb++) {
        product[limb] = 0;
        for (int other = 0; other < LIMBS; other++)
            product[limb] += other <= limb ? number[other] * by[limb - other]
                                           : 320 * number[other] * by[LIMBS + limb - other];
    }
    memcpy(number, product, sizeof product);
    carry(number);
}

/* Section 2.5, for a text that is a multiple of 16 bytes: all that section 2.8 asks for. */
static void poly1305(const unsigned char key[KEY_SIZE], const unsigned char *text, size_t size,
                     unsigned char tag[TAG_SIZE])
{
    uint32_t by[LIMBS] = {0}, sum[LIMBS] = {0}, less[LIMBS];
    for (int byte = 0; byte < 16; byte++)
        by[byte] = key[byte] & (byte % 4 == 3 ? 0x0f : byte % 4 == 0 && byte > 0 ? 0xfc : 0xff);
    for (size_t at = 0; at < size; at += 16) {
        for (int byte = 0; byte < 16; byte++)
            sum[byte] += text[at + (size_t)byte];
        sum[LIMBS - 1] += 1;
        carry(sum);
        multiply(sum, by);
    }
    carry(sum);
    /* sum may still be the modulus or more: sum + 5 - 2^130 then, as sum + 5 reaches limb 16's bit 2 */
    uint32_t over = 5;
    for (int limb = 0; limb < LIMBS; limb++) {
        over += sum[limb];
        less[limb] = over & 0xff;
        over >>= 8;
    }
    const uint32_t *result = less[LIMBS - 1] >> 2 ? less : sum;
    over = 0;
    for (int byte = 0; byte < TAG_SIZE; byte++) {
        over += result[byte] + key[16 + byte];
        tag[byte] = over & 0xff;
        over >>= 8;
    }
}

/* Section 2.8, without additional data, for up to 256 bytes: the tag over the encrypted text. */
static void tag_of(const unsigned char *key, const unsigned char *nonce, const unsigned char *text,
                   size_t size, unsigned char tag[TAG_SIZE])
{
    unsigned char once[CHACHA_BLOCK], padded[256 + 32] = {0};
    size_t rounded = (size + 15) / 16 * 16;
    chacha_block(key, 0, nonce, once);
    memcpy(padded, text, size);
    put_word(padded + rounded + 8, (uint32_t)size); /* 64 bits of 0 for no data, then the size */
    poly1305(once, padded, rounded + 16, tag);
}

/* Encrypt in place; the tag follows the text. Returns the size of both. */
static size_t seal(const unsigned char *key, const unsigned char *nonce, unsigned char *text, size_t size)
{
    chacha(key, 1, nonce, text, size);
    tag_of(key, nonce, text, size, text + size);
    return size + TAG_SIZE;
}

/* Decrypt in place, if the tag is right. All bytes are compared, so that time tells nothing. */
static bool unseal(const unsigned char *key, const unsigned char *nonce, unsigned char *text, size_t size)
{
    unsigned char tag[TAG_SIZE], differs = 0;
    if (size < TAG_SIZE)
        return false;
    tag_of(key, nonce, text, size - TAG_SIZE, tag);
    for (int byte = 0; byte < TAG_SIZE; byte++)
        differs |= tag[byte] ^ text[size - TAG_SIZE + (size_t)byte];
    if (differs != 0)
        return false;
    chacha(key, 1, nonce, text, size - TAG_SIZE);
    return true;
}
