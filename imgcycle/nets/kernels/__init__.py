"""Operations on planes in channels_last on the CPU, for training, where torch's own are slow there."""
