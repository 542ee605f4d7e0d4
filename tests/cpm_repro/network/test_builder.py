import pytest

from cpm_repro.network.small import SmallCPM, small_train
from cpm_repro.network.specification import CPM, cpm_train, release_transform, vgg_train


@pytest.mark.parametrize("stages", [1, 2])
@pytest.mark.parametrize(
    "train",
    [
        lambda stages: cpm_train(CPM(stages=stages), "lmdb", 1, release_transform()),
        lambda stages: vgg_train(stages, "lmdb", 1, release_transform()),
        lambda stages: small_train(SmallCPM(stages=stages), "lmdb", 1, release_transform()),
    ],
)
def test_a_training_net_puts_out_losses_alone(train, stages):
    """The first stage reads no centre map: a log would hold every value of it."""
    net = train(stages)
    read = {bottom for layer in net.layer for bottom in layer.bottom}
    unread = {layer.type for layer in net.layer for top in layer.top if top not in read}
    assert unread == {"EuclideanLoss"}
