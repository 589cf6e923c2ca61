# A small image of segmentd and segctl: built with Swift, run without it.
#
#   docker build -t segmentd .

FROM swift:6.3-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends \
      pkg-config libevent-dev libnghttp2-dev libprotobuf-c-dev libpq-dev libssl-dev zlib1g-dev libcurl4-openssl-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The dependencies first: they change less often than the sources.
COPY Package.swift Package.resolve[d] ./
RUN swift package resolve
COPY Sources Sources
COPY Benchmarks Benchmarks
COPY Tests Tests
RUN swift build --configuration release --static-swift-stdlib --product segmentd \
    && swift build --configuration release --static-swift-stdlib --product segctl \
    && mkdir /out \
    && cp .build/release/segmentd .build/release/segctl /out/ \
    && strip /out/segmentd /out/segctl

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends \
      libstdc++6 libevent-2.1-7 libnghttp2-14 libprotobuf-c1 libpq5 libssl3 zlib1g libcurl4 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 7700 --home-dir /nonexistent segmentd \
    && install --directory --owner segmentd /var/lib/segmentd
COPY --from=build /out/ /usr/local/bin/
USER segmentd
# There is no PostgreSQL in the image: give one with SEGMENTD_DATABASE.
ENV SEGMENTD_LISTEN=0.0.0.0:7700 SEGMENTD_ADMIN_LISTEN=0.0.0.0:7701 SEGMENTD_DATA_DIR=/var/lib/segmentd
EXPOSE 7700 7701
STOPSIGNAL SIGTERM
CMD ["segmentd", "serve"]
