"""Operations for training in channels_last."""
