/*
 * SHA-256 (FIPS 180-4) of a stream that is longer than what is kept of it.
 *
 * Two machines printed the same only if all of it was the same, also what nobody keeps. A
 * controller that gets only the beginning cannot find out; we see every byte.
 */
#include "run.h"

#include <stdio.h>
#include <string.h>

static const uint32_t initial[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t value, int by)
{
	return value >> by | value << (32 - by);
}

static void block(uint32_t *state, const unsigned char *data)
{
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)data[4 * i] << 24 | (uint32_t)data[4 * i + 1] << 16 |
		       (uint32_t)data[4 * i + 2] << 8 | data[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t early = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t late = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
		w[i] = w[i - 16] + early + w[i - 7] + late;
	}
	memcpy(v, state, sizeof v);
	for (int i = 0; i < 64; i++) {
		uint32_t mixed = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
		uint32_t chosen = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t first = v[7] + mixed + chosen + constants[i] + w[i];
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
		uint32_t second = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) + majority;
		memmove(v + 1, v, 7 * sizeof *v);
		v[4] += first;
		v[0] = first + second;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

void digest_begin(struct digest *digest)
{
	memcpy(digest->state, initial, sizeof initial);
	digest->length = 0;
}

void digest_add(struct digest *digest, const void *data, size_t length)
{
	const unsigned char *from = data;

	while (length > 0) {
		size_t used = digest->length % sizeof digest->pending;
		size_t room = sizeof digest->pending - used;
		size_t take = length < room ? length : room;
		memcpy(digest->pending + used, from, take);
		digest->length += take;
		from += take;
		length -= take;
		if (take == room)
			block(digest->state, digest->pending);
	}
}

void digest_end(struct digest *digest, char *text)
{
	static const unsigned char padding[64] = {0x80};
	uint64_t bits = digest->length * 8;
	unsigned char size[8];
	size_t used = digest->length % sizeof digest->pending;

	for (int i = 0; i < 8; i++)
		size[i] = (unsigned char)(bits >> (56 - 8 * i));
	digest_add(digest, padding, (used < 56 ? 56 : 120) - used);
	digest_add(digest, size, sizeof size);
	for (int i = 0; i < 8; i++)
		sprintf(text + 8 * i, "%08x", (unsigned)digest->state[i]);
}
